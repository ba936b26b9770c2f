import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** What wrk saw. */
export interface WrkResult {
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly p99Ms: number;
  /** Answers other than 2xx and 3xx, and connections that were refused, cut, or gave no answer in time. */
  readonly failed: number;
}

/** Asks for the URL over so many connections, each as fast as it is answered, for so long. */
export async function wrk(url: string, seconds: number, connections: number): Promise<WrkResult> {
  const options = ['--latency', '--timeout', '20s', '-t1', `-c${connections}`, `-d${seconds}s`];
  const { stdout } = await run('wrk', [...options, url], { timeout: (seconds + 60) * 1_000 });
  return parseWrk(stdout);
}

/** Reads wrk's report. */
export function parseWrk(report: string): WrkResult {
  const find = (pattern: RegExp): string[] => {
    const found = pattern.exec(report);
    if (found === null) throw new Error(`wrk reports what is not understood:\n${report}`);
    return found.slice(1);
  };
  const socketErrors =
    /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(report)?.slice(1) ?? [];
  const bad = /Non-2xx or 3xx responses: (\d+)/.exec(report)?.[1] ?? '0';
  const [p99 = '', unit = ''] = find(/^\s+99%\s+([\d.]+)(us|ms|s|m) *$/m);
  const [requests] = find(/^\s+(\d+) requests in /m);
  const [perSecond] = find(/^Requests\/sec:\s+([\d.]+)$/m);
  return {
    requests: Number(requests),
    requestsPerSecond: Number(perSecond),
    p99Ms: Number(p99) * ({ us: 0.001, ms: 1, s: 1_000, m: 60_000 }[unit] ?? Number.NaN),
    failed: [...socketErrors, bad].reduce((sum, count) => sum + Number(count), 0),
  };
}
