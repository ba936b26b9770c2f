import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { type RequestOutcome, requestOutcomes } from '../protocol/recording.ts';
import type { LoadRequest } from './request.ts';

/** Response times in ms; null while there is none. */
export interface Latency {
  readonly p50: number | null;
  readonly p90: number | null;
  readonly p99: number | null;
  readonly p999: number | null;
  readonly mean: number | null;
  readonly max: number | null;
}

/** What one server did. */
export interface ServerFigures {
  readonly name: string;
  /** Requests that ended, and those of them that failed. */
  readonly ended: number;
  readonly failed: number;
  readonly latencyMs: Latency;
}

/** What happened in a time. */
export interface Figures {
  readonly seconds: number;
  /** Requests that ended, by how. */
  readonly outcomes: Readonly<Record<RequestOutcome, number>>;
  readonly ended: number;
  readonly ok: number;
  readonly latencyMs: Latency;
  /** By name. */
  readonly servers: readonly ServerFigures[];
}

/** All of a run, and how late its own requests were sent. */
export interface Totals extends Figures {
  readonly lateMs: { readonly p99: number | null; readonly max: number | null };
}

/** In microseconds; what takes longer counts as this. */
const longestUs = 3_600_000_000;
/** Servers are named by their answers, which nobody vouches for. */
const mostServers = 1_000;
const otherServers = '(others)';
const digits = { fine: 3, coarse: 2 } as const;

/** Counts requests as they end: HDR histograms, so neither memory nor precision depend on how many there are. */
export class Tally {
  readonly #total = new Count(digits.fine);
  #recent = new Count(digits.fine);
  readonly #late = histogram(digits.fine);
  readonly #startedMs: number;
  #recentSinceMs: number;

  constructor(nowMs: number) {
    this.#startedMs = nowMs;
    this.#recentSinceMs = nowMs;
  }

  /** A request was taken up so long after it was due, by the client's own fault. */
  sent(lateMs: number): void {
    this.#late.record(microseconds(lateMs));
  }

  ended(request: LoadRequest): void {
    this.#total.add(request);
    this.#recent.add(request);
  }

  /** What happened since the last call; servers are those that did something. */
  takeRecent(nowMs: number): Figures {
    const figures = this.#recent.figures((nowMs - this.#recentSinceMs) / 1_000);
    this.#recent = new Count(digits.fine);
    this.#recentSinceMs = nowMs;
    return figures;
  }

  totals(nowMs: number): Totals {
    const { p99, max } = latencyOf(this.#late);
    return { ...this.#total.figures((nowMs - this.#startedMs) / 1_000), lateMs: { p99, max } };
  }
}

/** Counts of one time. */
class Count {
  readonly #outcomes = Object.fromEntries(requestOutcomes.map((outcome) => [outcome, 0])) as Record<
    RequestOutcome,
    number
  >;
  readonly #latency: RecordableHistogram;
  readonly #servers = new Map<string, { ended: number; failed: number; latency: RecordableHistogram }>();

  constructor(figures: number) {
    this.#latency = histogram(figures);
  }

  add({ dueMs, endedMs, outcome, server }: LoadRequest): void {
    this.#outcomes[outcome] += 1;
    const counted = server === '' ? undefined : this.#server(server);
    if (counted !== undefined) {
      counted.ended += 1;
      if (outcome !== 'ok') counted.failed += 1;
    }
    // What fails fast would flatter; what was given up took at least so long.
    if (outcome !== 'ok' && outcome !== 'timeout') return;
    const tookUs = microseconds(endedMs - dueMs);
    this.#latency.record(tookUs);
    counted?.latency.record(tookUs);
  }

  figures(seconds: number): Figures {
    const counts = Object.values(this.#outcomes);
    return {
      seconds,
      outcomes: { ...this.#outcomes },
      ended: counts.reduce((sum, count) => sum + count, 0),
      ok: this.#outcomes.ok,
      latencyMs: latencyOf(this.#latency),
      servers: [...this.#servers]
        .map(([name, { ended, failed, latency }]) => ({ name, ended, failed, latencyMs: latencyOf(latency) }))
        .sort((a, b) => a.name.localeCompare(b.name)),
    };
  }

  #server(name: string): { ended: number; failed: number; latency: RecordableHistogram } {
    const known = this.#servers.get(name);
    if (known !== undefined) return known;
    if (this.#servers.size >= mostServers && name !== otherServers) return this.#server(otherServers);
    const server = { ended: 0, failed: 0, latency: histogram(digits.coarse) };
    this.#servers.set(name, server);
    return server;
  }
}

function histogram(figures: number): RecordableHistogram {
  return createHistogram({ lowest: 1, highest: longestUs, figures });
}

function microseconds(ms: number): number {
  return Math.min(longestUs, Math.max(1, Math.round(ms * 1_000)));
}

function latencyOf(histogram: RecordableHistogram): Latency {
  if (histogram.count === 0) return { p50: null, p90: null, p99: null, p999: null, mean: null, max: null };
  const at = (percentile: number): number => histogram.percentile(percentile) / 1_000;
  const { mean, max } = histogram;
  return { p50: at(50), p90: at(90), p99: at(99), p999: at(99.9), mean: mean / 1_000, max: max / 1_000 };
}
