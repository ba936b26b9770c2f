import { createInterface, type Interface } from 'node:readline';
import { Writable } from 'node:stream';
import { systemClock } from '../clock/system-clock.ts';
import { TidepoolError } from '../domain/errors.ts';
import { withDeadline } from '../reconcile/deadline.ts';

/** Who types has time to look it up; a script that forgot it does not hang for ever. */
const waitMs = 5 * 60_000;

/** Passwords that a command needs, never from its arguments: other users of the machine see those. */
export interface PasswordInput {
  /**
   * From the environment variable, else the next line of standard input; at a terminal it is asked for and not shown.
   * Errors: `invalid` when there is none, `timeout`, `aborted`.
   * @param what for the question, e.g. `new password of ann`
   */
  read(what: string, variable: string): Promise<string>;
  close(): void;
}

/** Reads passwords from this process's surroundings. */
export function passwordInput(): PasswordInput {
  let lines: AsyncIterator<string> | undefined;
  let reader: Interface | undefined;
  const interrupted = new AbortController();

  const nextLine = async (): Promise<string | undefined> => {
    if (reader === undefined) {
      // The terminal's own echo is off in this mode, and the reader's goes nowhere.
      const output = new Writable({ write: (_chunk, _encoding, done) => done() });
      reader = createInterface({ input: process.stdin, output, terminal: process.stdin.isTTY === true });
      reader.on('SIGINT', () => interrupted.abort());
      lines = reader[Symbol.asyncIterator]();
    }
    const ended = Promise.withResolvers<undefined>();
    return withDeadline(systemClock, waitMs, interrupted.signal, async (signal) => {
      signal.addEventListener('abort', () => ended.resolve(undefined), { once: true });
      const next = await Promise.race([lines?.next(), ended.promise]);
      if (interrupted.signal.aborted) throw new TidepoolError('aborted', 'interrupted');
      if (signal.aborted) throw new TidepoolError('timeout', `no password came within ${waitMs / 1_000} s`);
      return next === undefined || next.done ? undefined : next.value;
    });
  };

  return {
    async read(what, variable) {
      const given = process.env[variable];
      if (given !== undefined && given !== '') return given;
      if (process.stdin.isTTY) process.stderr.write(`${what} (not shown): `);
      const line = await nextLine().finally(() => process.stdin.isTTY && process.stderr.write('\n'));
      if (line !== undefined && line !== '') return line;
      throw new TidepoolError('invalid', `no ${what}: set ${variable}, or give it as a line of standard input`);
    },
    close() {
      reader?.close();
      process.stdin.unref?.();
    },
  };
}
