import type { Clock } from '../domain/clock.ts';
import { errorCodes, TidepoolError, toTidepoolError } from '../domain/errors.ts';
import { systemFault } from '../files/system-fault.ts';

/**
 * The end of a server, part by part. A part that fails, or takes longer than it may, keeps no other from ending: its trouble is
 * logged with its name, and decides the exit code.
 */
export class Ending {
  readonly #clock: Clock;
  readonly #log: (message: string) => void;
  #trouble: TidepoolError | undefined;

  constructor(clock: Clock, log: (message: string) => void) {
    this.#clock = clock;
    this.#log = log;
  }

  /** Exit code of the process: 0, or that of the first trouble. */
  get exitCode(): number {
    return this.#trouble === undefined ? 0 : errorCodes[this.#trouble.code].exitCode;
  }

  /** Ends one part. Never throws; returns whether it has ended as it should. */
  async part(what: string, limitMs: number, end: () => Promise<unknown>): Promise<boolean> {
    try {
      await this.#within(limitMs, end);
      return true;
    } catch (error) {
      // A stack of parts throws all that went wrong as one error in another.
      for (const one of singly(error)) this.#note(what, one);
      return false;
    }
  }

  #note(what: string, error: unknown): void {
    const known = toTidepoolError(systemFault(error));
    this.#trouble ??= known;
    const trace = known.code === 'internal' && error instanceof Error ? `\n${error.stack}` : '';
    this.#log(`ending ${what}: ${known.message}${trace}`);
  }

  /** By a sleep that keeps the process: else it would end in the middle when nothing but this is waited for. */
  async #within(limitMs: number, end: () => Promise<unknown>): Promise<void> {
    const ended = new AbortController();
    const limit = this.#clock.sleep(limitMs, ended.signal).then(() => {
      throw new TidepoolError('timeout', `not done within ${limitMs / 1_000} s; what is left of it is given up`);
    });
    try {
      await Promise.race([end(), limit]);
    } finally {
      ended.abort();
    }
  }
}

/** Returns what is in an error of several parts (SuppressedError), first to last. */
function singly(error: unknown): unknown[] {
  if (!(error instanceof SuppressedError)) return [error];
  return [...singly(error.suppressed), ...singly(error.error)];
}
