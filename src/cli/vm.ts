import type { ApiClient } from './client.ts';
import { formatTable } from './table.ts';

/** `tidepool vm list`. */
export async function vmList(client: ApiClient, options: { json?: boolean }): Promise<string> {
  const vms = await client.vms();
  if (options.json) return JSON.stringify(vms, null, 2);
  if (vms.length === 0) return 'no VMs';
  const rows = vms.map((vm) => [
    vm.name,
    vm.pool,
    vm.flavor,
    vm.state,
    vm.agent ?? '-',
    String(vm.jobs.length),
    vm.reason,
  ]);
  return formatTable([['NAME', 'POOL', 'FLAVOR', 'STATE', 'AGENT', 'JOBS', 'WHY'], ...rows]);
}
