import { explain } from '../protocol/decision.ts';
import type { DecisionLine, EventLine } from '../protocol/recording.ts';
import type { Counts, History, PoolHistory } from './history.ts';
import { type RequestSummary, summarizeRequests } from './request-summary.ts';

/** Least, mean over time, and most. */
export interface Spread {
  readonly min: number;
  readonly mean: number;
  readonly max: number;
}

/** The pool was told to grow or to shrink. */
export interface ScalingAction {
  readonly atMs: number;
  readonly action: 'out' | 'in';
  readonly from: number;
  readonly to: number;
  readonly reason: string;
  /** Decided, but not carried out. */
  readonly paused: boolean;
  /** From the decision until so many VMs were ready; null when that was not seen. */
  readonly reachedAfterMs: number | null;
}

/** A VM failed. */
export interface Failure {
  readonly atMs: number;
  readonly vm: string;
  readonly reason: string;
  /** Until as many VMs were ready as are wanted; null when that was not seen. */
  readonly repairedAfterMs: number | null;
}

export interface PoolSummary {
  readonly pool: string;
  readonly vmCount: { readonly desired: Spread; readonly ready: Spread };
  readonly vmHours: number;
  readonly cpu: readonly {
    readonly vm: string;
    readonly samples: number;
    readonly peakMemoryBytes: number;
    readonly cpu: Spread;
  }[];
  readonly mostQueued: number;
  readonly actions: readonly ScalingAction[];
  readonly failures: readonly Failure[];
  readonly alerts: readonly { readonly atMs: number; readonly text: string }[];
  /** Of the load client, when it wrote to the recording. */
  readonly requests?: RequestSummary;
}

export interface Summary {
  readonly server: string;
  readonly fromMs: number;
  readonly untilMs: number;
  readonly pools: readonly PoolSummary[];
}

const hourMs = 3_600_000;
/** A failure shows in the counts within this, if a VM was missing at all. */
const noticedWithinMs = 5_000;

/** What happened, in numbers. Pure. */
export function summarize({ server, fromMs, untilMs, gapMs, pools }: History): Summary {
  return { server, fromMs, untilMs, pools: pools.map((pool) => summarizePool(pool, gapMs)) };
}

function summarizePool(pool: PoolHistory, gapMs: number): PoolSummary {
  const count = (name: keyof Counts): readonly (readonly [number, number])[] =>
    pool.counts.map(({ atMs, counts }) => [atMs, counts[name]]);
  const ready = spreadOverTime(count('ready'), gapMs);
  const requests = summarizeRequests(pool);
  return {
    pool: pool.pool,
    vmCount: { desired: spreadOverTime(count('desired'), gapMs).spread, ready: ready.spread },
    vmHours: (ready.spread.mean * ready.knownMs) / hourMs,
    cpu: pool.vms.map(({ vm, cpu, peakMemoryBytes }) => ({
      vm,
      samples: cpu.length,
      peakMemoryBytes,
      cpu: spread(cpu.flatMap(([, value]) => value ?? [])),
    })),
    mostQueued: pool.counts.reduce((most, { queued }) => Math.max(most, queued), 0),
    actions: pool.decisions.flatMap((decision) => scalingAction(decision, pool)),
    failures: pool.events.filter(({ name }) => name === 'vm.failed').map((event) => failure(event, pool)),
    alerts: pool.events
      .filter(({ name }) => name.startsWith('alert.'))
      .map(({ atMs, name, text }) => ({ atMs, text: `${name}: ${text}` })),
    ...(requests === undefined ? {} : { requests }),
  };
}

function scalingAction(decision: DecisionLine, pool: PoolHistory): ScalingAction[] {
  const { atMs, action, from, desired: to, paused } = decision;
  if (action === 'none') return [];
  // What comes after the next action is no more the work of this one.
  const next = pool.decisions.find((one) => one.atMs > atMs && one.action !== 'none');
  const untilMs = next?.atMs ?? Number.POSITIVE_INFINITY;
  const isReached = ({ ready, draining }: Counts): boolean => (action === 'out' ? ready >= to : ready + draining <= to);
  const reachedAtMs = paused ? undefined : firstTime(pool, atMs, untilMs, isReached);
  const reachedAfterMs = reachedAtMs === undefined ? null : reachedAtMs - atMs;
  return [{ atMs, action, from, to, reason: explain(decision), paused, reachedAfterMs }];
}

function failure({ atMs, vm, pool: name, text }: EventLine, pool: PoolHistory): Failure {
  const isShort = ({ ready, desired }: Counts): boolean => ready < desired;
  // A count from before the failure was noticed still has the VM in it.
  const shortAtMs = firstTime(pool, atMs, atMs + noticedWithinMs, isShort) ?? atMs;
  const repairedAtMs = firstTime(pool, shortAtMs, Number.POSITIVE_INFINITY, (counts) => !isShort(counts));
  const repairedAfterMs = repairedAtMs === undefined ? null : repairedAtMs - atMs;
  return { atMs, vm: vm ?? name, reason: text, repairedAfterMs };
}

function firstTime(
  pool: PoolHistory,
  fromMs: number,
  untilMs: number,
  isTrue: (counts: Counts) => boolean,
): number | undefined {
  return pool.counts.find((one) => one.atMs >= fromMs && one.atMs <= untilMs && isTrue(one.counts))?.atMs;
}

function spread(values: readonly number[]): Spread {
  if (values.length === 0) return { min: 0, mean: 0, max: 0 };
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  let sum = 0;
  for (const value of values) {
    min = Math.min(min, value);
    max = Math.max(max, value);
    sum += value;
  }
  return { min, mean: sum / values.length, max };
}

/** Each value holds until the next one, but not through a gap. */
function spreadOverTime(
  points: readonly (readonly [number, number])[],
  gapMs: number,
): { spread: Spread; knownMs: number } {
  const { min, mean, max } = spread(points.map(([, value]) => value));
  let weighted = 0;
  let knownMs = 0;
  for (const [i, [atMs, value]] of points.entries()) {
    const next = points[i + 1];
    if (next === undefined || next[0] - atMs > gapMs) continue;
    weighted += value * (next[0] - atMs);
    knownMs += next[0] - atMs;
  }
  return { spread: { min, mean: knownMs === 0 ? mean : weighted / knownMs, max }, knownMs };
}
