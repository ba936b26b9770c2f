import { type AgentAddress, agentAddress } from '../domain/agent-link.ts';
import type { Store } from '../domain/store.ts';
import type { Vm } from '../domain/vm.ts';

/**
 * Where the worker of an attempt is. `unknown` is not `lost`: the attempt may still execute, so it is waited for. Only an
 * attempt whose worker is `lost` cannot execute any more, and only then may the job be started again elsewhere.
 */
export type Whereabouts =
  | { readonly kind: 'here'; readonly agent: AgentAddress }
  | { readonly kind: 'unknown'; readonly why: string }
  | { readonly kind: 'lost'; readonly why: string };

/** Returns where a VM is. Pure. @param vm its row; undefined when there is none any more */
export function whereaboutsOf(vm: Pick<Vm, 'state' | 'host' | 'port' | 'keyId' | 'key'> | undefined): Whereabouts {
  if (vm === undefined) return { kind: 'lost', why: 'it is gone' };
  switch (vm.state) {
    case 'dead':
      return { kind: 'lost', why: 'it runs no more' };
    case 'failed':
      return { kind: 'unknown', why: 'it was given up and is not removed yet' };
    case 'stopping':
      return { kind: 'unknown', why: 'it is being removed' };
    case 'away':
      return { kind: 'unknown', why: 'it cannot be reached' };
    default: {
      const agent = agentAddress(vm);
      return agent === undefined ? { kind: 'unknown', why: 'its address is not known' } : { kind: 'here', agent };
    }
  }
}

/** Returns where the VM of this name is. The row of a VM with a job on it stays, so the name means the same VM. */
export async function whereabouts(store: Pick<Store, 'vms'>, vmName: string | null): Promise<Whereabouts> {
  return whereaboutsOf(vmName === null ? undefined : await store.vms.get(vmName));
}
