import type { LoadRequest } from '../../loadgen/request.ts';
import { mostRequestsPerLine, type RequestsLine, requestOutcomes } from '../../protocol/recording.ts';

/** Requests that wait for the next write; more are counted only. */
const mostPending = 200_000;

/** Gathers requests as they end, for the next lines of a recording. */
export class RequestColumns {
  readonly #pool: string;
  #lines: RequestsLine[] = [];
  #servers = new Map<string, number>();
  #pending = 0;
  #omitted = 0;

  constructor(pool: string) {
    this.#pool = pool;
  }

  add({ dueMs, endedMs, server, outcome }: LoadRequest): void {
    if (this.#pending >= mostPending) {
      this.#omitted += 1;
      return;
    }
    this.#pending += 1;
    const line = this.#line(dueMs);
    line.dueMs.push(rounded(dueMs - line.atMs));
    line.tookMs.push(rounded(endedMs - dueMs));
    line.server.push(this.#indexOf(server, line));
    line.outcome.push(requestOutcomes.indexOf(outcome));
  }

  /** What has been added since the last call. */
  take(atMs: number): RequestsLine[] {
    const lines = this.#lines;
    if (this.#omitted > 0) lines.push({ ...this.#newLine(atMs), omitted: this.#omitted });
    this.#lines = [];
    this.#pending = 0;
    this.#omitted = 0;
    return lines;
  }

  #line(dueMs: number): RequestsLine {
    const last = this.#lines.at(-1);
    if (last !== undefined && last.dueMs.length < mostRequestsPerLine) return last;
    const line = this.#newLine(Math.round(dueMs));
    this.#servers = new Map();
    this.#lines.push(line);
    return line;
  }

  #newLine(atMs: number): RequestsLine {
    return {
      type: 'requests',
      atMs: Math.round(atMs),
      pool: this.#pool,
      servers: [],
      dueMs: [],
      tookMs: [],
      server: [],
      outcome: [],
      omitted: 0,
    };
  }

  #indexOf(server: string, { servers }: RequestsLine): number {
    const known = this.#servers.get(server);
    if (known !== undefined) return known;
    const index = servers.push(server) - 1;
    this.#servers.set(server, index);
    return index;
  }
}

/** To a microsecond. */
function rounded(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}
