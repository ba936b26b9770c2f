import type { VmView } from '../protocol/api.ts';
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

/** `tidepool vm drain`. */
export async function vmDrain(client: ApiClient, name: string, options: { json?: boolean }): Promise<string> {
  return formatVm(await client.drainVm(name), options);
}

/** `tidepool vm delete`. */
export async function vmDelete(client: ApiClient, name: string, options: { json?: boolean }): Promise<string> {
  return formatVm(await client.deleteVm(name), options);
}

function formatVm(vm: VmView, options: { json?: boolean }): string {
  return options.json ? JSON.stringify(vm, null, 2) : `${vm.name}: ${vm.state}, ${vm.reason}`;
}
