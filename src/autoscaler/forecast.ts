import type { LoadSample } from '../domain/scaling.ts';

/** What the recent loads say. In VMs' worth, and VMs' worth a second. */
export interface Forecast {
  /** The load now, with the noise of single samples averaged out. */
  readonly level: number;
  /** Standard error of `level`. */
  readonly levelError: number;
  readonly slopePerSecond: number;
  /** Standard deviation of the loads around their trend. */
  readonly deviation: number;
  readonly samples: number;
}

/** Noise is looked for in so many of the newest samples. */
const noiseSamples = 60;
/** The level is averaged over no more samples than this. */
const mostAveraged = 30;
/** The level shall be exact to this share of a VM. */
const wantedError = 0.05;
/** A trend needs some samples. */
const leastTrendSamples = 20;

/** Looks at samples of the last `trendMs`. Null without any. */
export function forecast(loads: readonly LoadSample[], nowMs: number, trendMs: number): Forecast | null {
  const recent = newest(loads, nowMs, trendMs);
  if (recent.length === 0) return null;
  const noise = sampleNoise(recent);
  const averaged = Math.min(recent.length, mostAveraged, Math.max(1, Math.ceil((noise / wantedError) ** 2)));
  let sum = 0;
  for (let i = recent.length - averaged; i < recent.length; i += 1) sum += recent[i]?.load ?? 0;
  const level = sum / averaged;
  const levelError = noise / Math.sqrt(averaged);
  return { level, levelError, ...trend(recent, nowMs), samples: recent.length };
}

function newest(loads: readonly LoadSample[], nowMs: number, windowMs: number): readonly LoadSample[] {
  let first = loads.length;
  while (first > 0 && (loads[first - 1]?.atMs ?? 0) > nowMs - windowMs) first -= 1;
  let end = loads.length;
  while (end > first && (loads[end - 1]?.atMs ?? 0) > nowMs) end -= 1;
  return loads.slice(first, end);
}

/**
 * Standard deviation of single samples, from the median of what neighbours differ by: a jump of the load itself is not
 * taken for noise, as it would be by the mean. 0.6745 is the third quartile of the normal distribution.
 */
function sampleNoise(samples: readonly LoadSample[]): number {
  const first = Math.max(1, samples.length - noiseSamples);
  const differences: number[] = [];
  for (let i = first; i < samples.length; i += 1) {
    differences.push(Math.abs((samples[i]?.load ?? 0) - (samples[i - 1]?.load ?? 0)));
  }
  differences.sort((a, b) => a - b);
  return (differences[Math.floor(differences.length / 2)] ?? 0) / (0.6745 * Math.SQRT2);
}

/** The least-squares line through the samples, and how far they lie off it. */
function trend(samples: readonly LoadSample[], nowMs: number): Pick<Forecast, 'slopePerSecond' | 'deviation'> {
  const count = samples.length;
  if (count < leastTrendSamples) return { slopePerSecond: 0, deviation: Number.POSITIVE_INFINITY };
  let [sx, sy, sxx, sxy, syy] = [0, 0, 0, 0, 0];
  for (const { atMs, load } of samples) {
    const x = (atMs - nowMs) / 1_000;
    sx += x;
    sy += load;
    sxx += x * x;
    sxy += x * load;
    syy += load * load;
  }
  const spread = count * sxx - sx * sx;
  if (spread <= 0) return { slopePerSecond: 0, deviation: Number.POSITIVE_INFINITY };
  const slopePerSecond = (count * sxy - sx * sy) / spread;
  const offset = (sy - slopePerSecond * sx) / count;
  const squares = Math.max(0, syy - offset * sy - slopePerSecond * sxy);
  return { slopePerSecond, deviation: Math.sqrt(squares / count) };
}
