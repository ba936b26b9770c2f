import type { PoolSnapshot, Recommendation } from '../../domain/scaling.ts';
import type { PolicyOf } from '../policy.ts';
import { round } from '../window.ts';

/**
 * VMs for the work that runs, and beside them as many as the waiting work asks for: to begin it in time, or while its
 * length is not known, by its number.
 */
export function backlog(policy: PolicyOf<'backlog'>, snapshot: PoolSnapshot): Recommendation {
  const { perVm, meanMs } = snapshot.backlog;
  // What is not known counts as nothing here; plan.ts sees to it that the pool does not shrink by that.
  const waiting = snapshot.backlog.waiting ?? 0;
  let running = 0;
  for (const vm of snapshot.vms) if (vm.state === 'ready') running += vm.inFlight ?? 0;
  const busy = wholeVms(running / perVm);
  const asked = meanMs === null ? waiting / policy.waitingPerVm : (waiting * meanMs) / (perVm * policy.maxWaitMs);
  // What waits never asks for more VMs than it could occupy.
  const forWaiting = Math.min(Math.ceil(waiting / perVm), wholeVms(asked));
  const numbers = { waiting: round(waiting), running: round(running), busy, forWaiting, perVm };
  const length = meanMs === null ? 'of unknown length' : `of ${round(meanMs / 1_000, 1)} s each`;
  const text = `${round(waiting)} waiting ${length}, ${round(running)} running: ${busy} VMs busy, ${forWaiting} for the rest`;
  return { policy: policy.name, desired: busy + forWaiting, reason: { code: 'Backlog', text, numbers } };
}

/** Rounded up, but not for an error in the last bit. */
function wholeVms(value: number): number {
  return Math.max(0, Math.ceil(value - 1e-9));
}
