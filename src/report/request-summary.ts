import type { RequestOutcome } from '../protocol/recording.ts';
import type { PoolHistory } from './history.ts';
import { countRequests, forEachRequest } from './requests.ts';

/** Response times in ms, of requests that were answered well or given up. */
export interface ResponseTimes {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

/** The load client's requests, in numbers. */
export interface RequestSummary {
  readonly count: number;
  readonly ok: number;
  /** Those that failed, by how. */
  readonly failed: Readonly<Partial<Record<RequestOutcome, number>>>;
  /** Ended too, but not in the recording. */
  readonly omitted: number;
  readonly tookMs: ResponseTimes | null;
  readonly servers: readonly {
    readonly server: string;
    readonly count: number;
    readonly failed: number;
    readonly tookMs: ResponseTimes | null;
  }[];
}

interface Group {
  count: number;
  failed: number;
  readonly tookMs: number[];
}

/** Undefined when there are none. Pure. */
export function summarizeRequests(pool: PoolHistory): RequestSummary | undefined {
  const count = countRequests(pool);
  if (count === 0) return undefined;
  const failed: Partial<Record<RequestOutcome, number>> = {};
  const all: Group = { count: 0, failed: 0, tookMs: [] };
  const servers = new Map<string, Group>();
  forEachRequest(pool, (_atMs, tookMs, name, outcome) => {
    if (outcome !== 'ok') failed[outcome] = (failed[outcome] ?? 0) + 1;
    add(all, tookMs, outcome);
    if (name === '') return;
    const server = servers.get(name) ?? { count: 0, failed: 0, tookMs: [] };
    servers.set(name, server);
    add(server, tookMs, outcome);
  });
  return {
    count,
    ok: count - all.failed,
    failed,
    omitted: pool.requests.reduce((sum, { omitted }) => sum + omitted, 0),
    tookMs: responseTimes(all),
    servers: [...servers]
      .sort(([a], [b]) => a.localeCompare(b))
      .map(([server, group]) => ({
        server,
        count: group.count,
        failed: group.failed,
        tookMs: responseTimes(group),
      })),
  };
}

function add(group: Group, tookMs: number, outcome: RequestOutcome): void {
  group.count += 1;
  if (outcome !== 'ok') group.failed += 1;
  // As the load client counts: what failed fast does not flatter.
  if (outcome === 'ok' || outcome === 'timeout') group.tookMs.push(tookMs);
}

/** By nearest rank. */
function responseTimes({ tookMs }: Group): ResponseTimes | null {
  if (tookMs.length === 0) return null;
  const sorted = Float64Array.from(tookMs).sort();
  const at = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) };
}
