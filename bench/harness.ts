/** A bound on the ratio of ours to the baseline: `atMost` for times, `atLeast` where more is better. */
export type Limit = { readonly atMost: number } | { readonly atLeast: number };

/** One benchmark: the default export of a `bench/*.bench.ts`. It answers one question. */
export type Bench = Limit & {
  readonly name: string;
  readonly question: string;
  /** Of the numbers; `ms` unless given. */
  readonly unit?: string;
  run(context: BenchContext): Promise<Series | readonly Series[]>;
};

export interface BenchContext {
  /** Measurements to take of each side, at least 1. */
  readonly runs: number;
  /** Aborts on Ctrl-C: clean up and throw. */
  readonly signal: AbortSignal;
  /** Tells a person what is going on, beside the results. */
  log(line: string): void;
}

/** What was measured, in one unit. Both sides belong to one run of the benchmark, taken by turns. */
export interface Series {
  /** Tells the results of one benchmark apart. */
  readonly variant?: string;
  readonly ours: readonly number[];
  readonly baseline: readonly number[];
  /** When they differ from the benchmark's. */
  readonly limit?: Limit;
  readonly unit?: string;
}

/** A series, judged. */
export interface Verdict {
  readonly bench: string;
  readonly unit: string;
  /** Medians. */
  readonly ours: number;
  readonly baseline: number;
  readonly ratio: number;
  readonly limit: Limit;
  readonly runs: number;
  readonly ok: boolean;
  /** Half the distance between the quartiles over the median, of the side that scatters more. */
  readonly spread: number;
}

type Measure = () => Promise<number>;

/** Measures both sides by turns, the first one changing, so that a machine that warms or tires favours neither. */
export async function alternate(context: BenchContext, ours: Measure, baseline: Measure): Promise<Series> {
  const series = { ours: [] as number[], baseline: [] as number[] };
  const sides = [
    [series.ours, ours],
    [series.baseline, baseline],
  ] as const;
  for (let i = 0; i < context.runs; i += 1) {
    for (const [into, measure] of i % 2 === 0 ? sides : sides.toReversed()) {
      context.signal.throwIfAborted();
      into.push(await measure());
    }
  }
  return series;
}

/** Milliseconds that `work` takes. */
export async function timeMs(work: () => Promise<unknown>): Promise<number> {
  const startedAtMs = performance.now();
  await work();
  return performance.now() - startedAtMs;
}

/** Judges a series of a benchmark. Throws RangeError when a side has no measurement, or one that is no positive number. */
export function judge(bench: Bench, series: Series): Verdict {
  for (const value of [...series.ours, ...series.baseline]) {
    if (!(value > 0 && Number.isFinite(value))) throw new RangeError(`${bench.name}: ${value} is no measurement`);
  }
  const [ours, baseline] = [median(series.ours), median(series.baseline)];
  const ratio = ours / baseline;
  const limit = series.limit ?? ('atMost' in bench ? { atMost: bench.atMost } : { atLeast: bench.atLeast });
  return {
    bench: series.variant === undefined ? bench.name : `${bench.name}/${series.variant}`,
    unit: series.unit ?? bench.unit ?? 'ms',
    ours,
    baseline,
    ratio,
    limit,
    runs: Math.min(series.ours.length, series.baseline.length),
    ok: 'atMost' in limit ? ratio <= limit.atMost : ratio >= limit.atLeast,
    spread: Math.max(spread(series.ours), spread(series.baseline)),
  };
}

/** The line that `--json` prints: `{"bench","ours","baseline","ratio","atMost","runs"}`, or `atLeast`. */
export function jsonLine({ bench, ours, baseline, ratio, limit, runs }: Verdict): string {
  const [o, b, r] = [ours, baseline, ratio].map((value) => Number(value.toPrecision(6)));
  return JSON.stringify({ bench, ours: o, baseline: b, ratio: r, ...limit, runs });
}

/** The line for a person. */
export function textLine(verdict: Verdict): string {
  const { limit, ok, spread: scatter, runs, unit } = verdict;
  const bound = 'atMost' in limit ? `at most ${limit.atMost}` : `at least ${limit.atLeast}`;
  const sides = `ours ${short(verdict.ours)} ${unit}, baseline ${short(verdict.baseline)} ${unit}`;
  const trust = `${runs} runs, spread ${Math.round(scatter * 100)} %`;
  return `${verdict.bench}: ${sides}, ratio ${short(verdict.ratio)} (${bound}: ${ok ? 'ok' : 'MISSED'}; ${trust})`;
}

/** The middle value, or the mean of the two middle ones. Throws RangeError when there is none. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

function spread(values: readonly number[]): number {
  return (quantile(values, 0.75) - quantile(values, 0.25)) / 2 / median(values);
}

/** Linear between the two nearest values, as R's default (type 7). */
function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * share;
  const [low, high] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]];
  if (low === undefined || high === undefined) throw new RangeError('no measurements');
  return low + (high - low) * (at - Math.floor(at));
}

function short(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
