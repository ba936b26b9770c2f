import type { ApiClient } from './client.ts';
import { formatTable } from './table.ts';
import { formatSize } from './units.ts';

/** `tidepool host list`. */
export async function hostList(client: ApiClient, options: { json?: boolean }): Promise<string> {
  const hosts = await client.hosts();
  if (options.json) return JSON.stringify(hosts, null, 2);
  const rows = hosts.map(({ name, state, reason, accelerator, cpus, memoryBytes, hypervisor, vms }) => [
    name,
    state,
    hypervisor === null ? '-' : `${hypervisor} (${accelerator})`,
    `${vms.vcpus} of ${cpus ?? '-'}`,
    `${formatSize(vms.memoryBytes)} of ${memoryBytes === null ? '-' : formatSize(memoryBytes)}`,
    String(vms.count),
    reason,
  ]);
  return formatTable([['NAME', 'STATE', 'HYPERVISOR', 'CPUS', 'MEMORY', 'VMS', 'WHY'], ...rows]);
}
