import type { Holding, QueuedJob, QueueUser } from '../domain/queue.ts';
import { chargedCpus, decayed, held } from '../domain/usage.ts';
import type { SchedulingRules, UserRules } from './rules.ts';

/**
 * A job that runs counts as if it had run so much longer already. So a user's place falls at once with each job that he
 * gets, and workers that get free at the same time go to several users.
 */
const aheadMs = 60_000;

/** A user's part of the queue, with what decides when it is this user's turn. */
export interface UserQueue {
  readonly name: string;
  readonly rules: UserRules;
  /** What he has had and holds, over his weight; the lowest is served next. CPU milliseconds. */
  readonly share: number;
  /** Of his active jobs. */
  readonly running: number;
  readonly cpus: number;
  /** Since when the first job of the queue has been the first. */
  readonly firstSinceMs: number;
  /** All that he has in the queue. */
  readonly queued: number;
  /** The first of them, in the order of the queue. */
  readonly jobs: readonly QueuedJob[];
}

/** By how much a user's share grows when a job of his is started. */
export function shareOf(job: Pick<QueuedJob, 'cpus' | 'memoryBytes'>, rules: UserRules): number {
  return (chargedCpus(job) * aheadMs) / rules.weight;
}

/**
 * Each user's part of the queue as the scheduler takes it. Pure. The share is HTCondor's real user priority in the form
 * of Slurm's fair tree with one level: decayed usage over weight, of which only the order matters.
 * @param windows the first jobs of each user, in order
 * @param heldOn what active jobs hold, by their workers
 */
export function userQueues(
  users: readonly QueueUser[],
  windows: ReadonlyMap<string, readonly QueuedJob[]>,
  heldOn: ReadonlyMap<string, readonly Holding[]>,
  rules: SchedulingRules,
  nowMs: number,
): UserQueue[] {
  const active = activeSums(heldOn, nowMs, rules.halfLifeMs);
  return users.map(({ name, queued, usage, firstSinceMs }) => {
    const own = rules.userRules(name);
    const { running, cpus, share } = active.get(name) ?? { running: 0, cpus: 0, share: 0 };
    const jobs = windows.get(name) ?? [];
    return {
      name,
      rules: own,
      share: (decayed(usage, nowMs, rules.halfLifeMs) + share) / own.weight,
      running,
      cpus,
      firstSinceMs: Math.max(firstSinceMs, jobs[0]?.createdAtMs ?? 0),
      queued,
      jobs,
    };
  });
}

interface ActiveSum {
  running: number;
  cpus: number;
  share: number;
}

/** What the active jobs of each user hold, and have held so far. */
function activeSums(
  heldOn: ReadonlyMap<string, readonly Holding[]>,
  nowMs: number,
  halfLifeMs: number,
): ReadonlyMap<string, ActiveSum> {
  const sums = new Map<string, ActiveSum>();
  for (const holdings of heldOn.values()) {
    for (const holding of holdings) {
      const sum = sums.get(holding.owner) ?? { running: 0, cpus: 0, share: 0 };
      if (sum.running === 0) sums.set(holding.owner, sum);
      const charged = chargedCpus(holding);
      sum.running += 1;
      sum.cpus += holding.cpus;
      sum.share += held(charged, holding.assignedAtMs, nowMs, halfLifeMs) + charged * aheadMs;
    }
  }
  return sums;
}
