import type { Holding } from '../domain/queue.ts';
import { jobHandoverMs, type Vm, vmStates } from '../domain/vm.ts';

/**
 * Maximum time of a boot in which the machine computes, or waits for a CPU, to the last: a host with too much to do boots its VMs
 * slowly, and to begin each of them anew would only give it more to do.
 */
export const busyBootMs = 4 * (vmStates.booting.maxMs ?? 0);

/**
 * Why a VM is to be given up: it has been in its state for too long. Undefined while it has not, and for VMs that are
 * being removed already (reaper.ts). Pure.
 * @param vm with the time at which it came into its state by the same clock as `nowMs`, whichever it is
 * @param jobs those on the VM
 * @param isBusy whether its machine uses a CPU, or waits for one, as far as is known
 */
export function overdue(
  vm: Pick<Vm, 'state' | 'stateSinceMs'>,
  jobs: readonly Pick<Holding, 'timeoutMs'>[],
  nowMs: number,
  isBusy = false,
): string | undefined {
  const { maxMs } = vmStates[vm.state];
  if (maxMs === null) return undefined;
  const sinceMs = nowMs - vm.stateSinceMs;
  switch (vm.state) {
    case 'creating':
      return sinceMs < maxMs ? undefined : `it could not be created within ${maxMs / 1_000} s`;
    case 'booting': {
      const limitMs = isBusy ? busyBootMs : maxMs;
      return sinceMs < limitMs ? undefined : `its agent did not answer within ${limitMs / 1_000} s of the boot`;
    }
    case 'draining': {
      // Jobs are held to their limits in the guest; one that is not is on a VM that does as it likes.
      const longestMs = Math.max(0, ...jobs.map((job) => job.timeoutMs));
      const limitMs = Math.min(maxMs, longestMs + jobHandoverMs);
      return sinceMs < limitMs
        ? undefined
        : `its work had not ended ${Math.round(sinceMs / 60_000)} min after its drain began`;
    }
    default:
      return undefined;
  }
}
