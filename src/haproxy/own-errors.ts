import { failedVariable } from './config.ts';
import type { MasterSocket } from './master.ts';
import type { Row } from './tables.ts';

interface Seen {
  /** Errors of all kinds when it was asked last. */
  readonly errors: number;
  readonly own: number;
}

/**
 * How many requests HAProxy answered with an error of its own. Each service's variable is one question, so it is asked only
 * when there were errors at all since the last time.
 */
export class OwnErrors {
  readonly #master: MasterSocket;
  #seen = new Map<string, Seen>();

  constructor(master: MasterSocket) {
    this.#master = master;
  }

  /** @param workers rows of `show stat` by process id; others are forgotten. Errors: as of the master socket. */
  async update(workers: ReadonlyMap<number, readonly Row[]>): Promise<void> {
    const seen = new Map<string, Seen>();
    for (const [pid, rows] of workers) {
      for (const { kind, proxy, errors } of rows) {
        if (kind !== 'backend' || errors === 0) continue;
        const before = this.#seen.get(keyOf(pid, proxy));
        const own = before?.errors === errors ? before.own : ((await this.#ask(pid, proxy)) ?? before?.own ?? 0);
        seen.set(keyOf(pid, proxy), { errors, own });
      }
    }
    this.#seen = seen;
  }

  of(pid: number, service: string): number {
    return this.#seen.get(keyOf(pid, service))?.own ?? 0;
  }

  /** Undefined of a worker that ended meanwhile, or that has no such variable. */
  async #ask(pid: number, service: string): Promise<number | undefined> {
    const value = /value=<(\d+)>/.exec(await this.#master.run(`get var ${failedVariable(service)}`, pid))?.[1];
    return value === undefined ? undefined : Number(value);
  }
}

function keyOf(pid: number, service: string): string {
  return `${pid} ${service}`;
}
