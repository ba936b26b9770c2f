import type { PoolCounts } from '../domain/pool.ts';
import type { Vm, VmState } from '../domain/vm.ts';

/** Where each state is counted. VMs that are `stopping` or `dead` are not part of the pool any more. */
const countedAs: Readonly<Record<VmState, keyof PoolCounts | undefined>> = {
  creating: 'booting',
  booting: 'booting',
  ready: 'ready',
  warm: 'warm',
  draining: 'draining',
  away: undefined,
  stopping: undefined,
  failed: 'failed',
  dead: undefined,
};

/** A pool's VMs by state. Pure. */
export function poolCounts(vms: readonly Pick<Vm, 'state'>[], desired: number): PoolCounts {
  const counts = { desired, ready: 0, warm: 0, booting: 0, draining: 0, failed: 0 };
  for (const vm of vms) {
    const name = countedAs[vm.state];
    if (name !== undefined) counts[name] += 1;
  }
  return counts;
}
