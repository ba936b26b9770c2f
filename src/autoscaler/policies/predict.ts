import type { PoolSnapshot, Reason, Recommendation } from '../../domain/scaling.ts';
import { type Forecast, forecast } from '../forecast.ts';
import { freshMs } from '../missing.ts';
import type { PolicyOf } from '../policy.ts';
import { vmsForLoad } from '../queueing.ts';
import { round } from '../window.ts';

type Predict = PolicyOf<'predict'>;

/** From one plan to the next; a launch cannot begin in between. */
const planEveryMs = 1_000;
/** Fewer samples than this tell nothing of the noise, and a single quiet second must not shrink a pool. */
const leastSamples = 20;
/** A VM goes only when the load does not need it even so many standard errors higher; else noise would fetch it back. */
const shrinkErrors = 2;

/**
 * As many VMs as the load needs by queueing theory: the load of now, or that of the time when a VM launched now would be
 * ready, whichever is more. A trend that is not clear of the noise is not followed.
 */
export function predict(policy: Predict, snapshot: PoolSnapshot, nowMs: number): Recommendation {
  const seen = forecast(snapshot.loads, nowMs, policy.trendMs);
  const newestMs = snapshot.loads.at(-1)?.atMs ?? Number.NEGATIVE_INFINITY;
  if (seen === null || nowMs - newestMs > freshMs) {
    const reason = { code: 'MissingLoad', text: 'the load of the last seconds is not known', numbers: {} };
    return { policy: policy.name, desired: snapshot.desired, reason };
  }
  const bootMs = snapshot.bootMs ?? policy.bootMs;
  const expected = Math.max(seen.level, expectedLoad(seen, bootMs + planEveryMs, policy.certainty));
  const needs = (load: number) => vmsForLoad(load * (1 + policy.margin) + policy.noiseCover * seen.noise, policy.p99);
  const wanted = needs(expected);
  const isBelow = wanted < snapshot.desired;
  if (isBelow && seen.samples < leastSamples) {
    const { samples } = seen;
    const text = `the load is known for ${samples} s, and less than ${leastSamples} s is too short to shrink by`;
    return {
      policy: policy.name,
      desired: snapshot.desired,
      reason: { code: 'ShortHistory', text, numbers: { samples } },
    };
  }
  const sure = isBelow ? Math.min(snapshot.desired, needs(expected + shrinkErrors * seen.levelError)) : wanted;
  return { policy: policy.name, desired: sure, reason: explain(seen, expected, bootMs, sure) };
}

/** The level and what the trend surely adds to it until then. */
function expectedLoad(seen: Forecast, leadMs: number, certainty: number): number {
  const growth = (seen.slopePerSecond * leadMs) / 1_000;
  const sure = growth - certainty * seen.deviation;
  return sure > 0 ? seen.level + sure : seen.level;
}

function explain(seen: Forecast, expected: number, bootMs: number, vms: number): Reason {
  const numbers = {
    load: round(seen.level, 3),
    loadError: round(seen.levelError, 3),
    expected: round(expected, 3),
    bootMs: Math.round(bootMs),
    vms,
  };
  const now = `load ${round(seen.level)}`;
  if (expected <= seen.level) return { code: 'LoadNow', text: `${now} needs ${vms} VMs`, numbers };
  const text = `${now}, rising to ${round(expected)} in ${round(bootMs / 1_000, 1)} s, needs ${vms} VMs`;
  return { code: 'LoadExpected', text, numbers };
}
