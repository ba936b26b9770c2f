import { type AgentAddress, agentAddress } from '../domain/agent-link.ts';
import type { Store } from '../domain/store.ts';

/** Where a VM's agent is, or undefined when the VM is gone or given up. */
export async function agentOf(store: Store, vmName: string | null): Promise<AgentAddress | undefined> {
  const vm = vmName === null ? undefined : await store.vms.get(vmName);
  if (vm === undefined || vm.state === 'failed' || vm.state === 'stopping') return undefined;
  return agentAddress(vm);
}
