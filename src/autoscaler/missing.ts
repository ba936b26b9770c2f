import type { PoolSnapshot, Reason, VmSnapshot } from '../domain/scaling.ts';
import type { Policy } from './policy.ts';

/** A sample or a load that is older says nothing of this moment. */
export const freshMs = 5_000;

/**
 * What a policy reads of a snapshot and what is not known, or null when it knows enough to shrink the pool. No sample is
 * no evidence: a pool never shrinks by what is missing. Growing needs no such rule, since what is missing counts as no
 * load there.
 */
export function missingInput(policy: Policy, snapshot: PoolSnapshot, nowMs: number): Reason | null {
  switch (policy.kind) {
    case 'threshold':
    case 'target':
    case 'predict':
      return missingSamples(snapshot, nowMs);
    case 'backlog':
      return missingWork(snapshot);
    case 'schedule':
      return null;
  }
}

/** VMs in service whose newest sample is missing or too old. Those that have just entered service have none yet. */
export function unsampled(vms: readonly VmSnapshot[], nowMs: number, graceMs: number): readonly VmSnapshot[] {
  return vms.filter((vm) => {
    if (vm.state !== 'ready' || nowMs - vm.stateSinceMs < graceMs) return false;
    const newestMs = vm.samples.at(-1)?.atMs ?? Number.NEGATIVE_INFINITY;
    return nowMs - newestMs > freshMs;
  });
}

function missingSamples(snapshot: PoolSnapshot, nowMs: number): Reason | null {
  const missing = unsampled(snapshot.vms, nowMs, freshMs).length;
  if (missing === 0) return null;
  const what = missing === 1 ? '1 VM in service has' : `${missing} VMs in service have`;
  return { code: 'MissingMetrics', text: `${what} no CPU sample of the last seconds`, numbers: { missing } };
}

function missingWork({ backlog, vms }: PoolSnapshot): Reason | null {
  const missing = vms.filter((vm) => vm.state === 'ready' && vm.inFlight === null).length;
  if (backlog.waiting === null) {
    return { code: 'MissingBacklog', text: 'it is not known yet how much work waits', numbers: {} };
  }
  if (missing === 0) return null;
  return { code: 'MissingWork', text: `it is not known what ${missing} VMs work on`, numbers: { missing } };
}
