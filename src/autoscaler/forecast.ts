import type { LoadSample } from '../domain/scaling.ts';

/** What the recent loads say. In VMs' worth, and VMs' worth a second. */
export interface Forecast {
  /** The load now, with the noise of single samples averaged out. */
  readonly level: number;
  /** Standard deviation of what comes and goes within seconds. */
  readonly noise: number;
  /** Standard error of `level`. */
  readonly levelError: number;
  readonly slopePerSecond: number;
  /** Standard deviation of the loads around their trend. */
  readonly deviation: number;
  readonly samples: number;
}

/** What comes and goes within this is noise: no pool can follow it. */
const noiseMs = 10_000;
/** So many samples tell enough of the noise. */
const noiseSamples = 150;
/** The level is averaged over no more than this. */
const mostAveragedMs = 120_000;
/** The level shall be exact to this share of a VM. */
const wantedError = 0.05;
/** A trend needs some samples. */
const leastTrendSamples = 20;

/** Looks at the samples of the last `windowMs`. Null without any. */
export function forecast(loads: readonly LoadSample[], nowMs: number, windowMs: number): Forecast | null {
  const recent = newest(loads, nowMs, windowMs);
  if (recent.length === 0) return null;
  const noise = noiseOf(recent);
  const averaged = newest(recent, nowMs, Math.max(1_000, Math.min(mostAveragedMs, 1_000 * (noise / wantedError) ** 2)));
  const base = averaged.length === 0 ? recent.slice(-1) : averaged;
  const line = trend(recent, nowMs);
  let [load, ageMs] = [0, 0];
  for (const sample of base) {
    load += sample.load / base.length;
    ageMs += (nowMs - sample.atMs) / base.length;
  }
  const level = Math.max(0, load + (line.slopePerSecond * ageMs) / 1_000);
  // Samples that are closer than `noiseMs` may all have the same error.
  const apart = Math.max(1, (nowMs - (base[0]?.atMs ?? nowMs)) / noiseMs);
  const levelError = noise / Math.sqrt(apart);
  return { level, levelError, noise, ...line, samples: recent.length };
}

function newest(loads: readonly LoadSample[], nowMs: number, windowMs: number): readonly LoadSample[] {
  let first = loads.length;
  while (first > 0 && (loads[first - 1]?.atMs ?? 0) > nowMs - windowMs) first -= 1;
  let end = loads.length;
  while (end > first && (loads[end - 1]?.atMs ?? 0) > nowMs) end -= 1;
  return loads.slice(first, end);
}

/**
 * Standard deviation of the noise, from how far samples lie off the middle of those `noiseMs` before and after. A trend
 * does not count, and by the median neither do single jumps of the load. 0.6745 is the third quartile of the normal
 * distribution, 1.5 the variance of one value less the mean of two others.
 */
function noiseOf(samples: readonly LoadSample[]): number {
  const off: number[] = [];
  const stride = Math.max(1, Math.floor(samples.length / noiseSamples));
  let [before, after] = [0, 0];
  for (const { atMs, load } of samples) {
    while ((samples[before + 1]?.atMs ?? Infinity) <= atMs - noiseMs) before += 1;
    while (after < samples.length && (samples[after]?.atMs ?? Infinity) < atMs + noiseMs) after += 1;
    const [left, right] = [samples[before], samples[after]];
    // Which are taken must not change while the window moves on, or the estimate would flicker.
    if (Math.floor(atMs / 1_000) % stride !== 0) continue;
    if (left === undefined || right === undefined || left.atMs > atMs - noiseMs) continue;
    off.push(Math.abs(load - (left.load + right.load) / 2));
  }
  off.sort((a, b) => a - b);
  return (off[Math.floor(off.length / 2)] ?? 0) / (0.6745 * Math.sqrt(1.5));
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
