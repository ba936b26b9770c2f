import { connect } from 'node:net';
import type { Clock } from '../domain/clock.ts';
import { TidepoolError } from '../domain/errors.ts';
import { afterListening } from '../reconcile/lateness.ts';

/** The processes of one HAProxy. Workers that a reload left behind finish what they had. */
export interface Processes {
  readonly master: number;
  /** The worker that takes new connections; undefined for a moment while there is none. */
  readonly worker: number | undefined;
  readonly leaving: readonly number[];
  /** Reloads so far, and those of them that failed. */
  readonly reloads: number;
  readonly failedReloads: number;
}

/** How long HAProxy may take for an answer. */
export const answerLimitMs = 5_000;
const maxAnswerBytes = 16 * 1024 ** 2;

/** HAProxy's master CLI: a unix socket, one connection a command. */
export class MasterSocket {
  readonly #path: string;
  readonly #clock: Clock;

  constructor(path: string, clock: Clock) {
    this.#path = path;
    this.#clock = clock;
  }

  /**
   * What HAProxy answers, without blank ends. Wrong commands are answered too: the caller must look.
   * @param worker the process that is asked; the master itself unless given
   * Errors: `unavailable` (nobody listens, or it hung up), `timeout`, `upstream` (an endless answer).
   */
  run(command: string, worker?: number): Promise<string> {
    // These would begin another command.
    if (/[;\n\\]/.test(command)) throw new TidepoolError('internal', `${JSON.stringify(command)} is no single command`);
    return this.#ask(worker === undefined ? command : `@!${worker} ${command}`);
  }

  async processes(): Promise<Processes> {
    return parseProcesses(await this.run('show proc'));
  }

  #ask(line: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      const socket = connect(this.#path);
      const fail = (code: 'unavailable' | 'timeout' | 'upstream', what: string): void => {
        socket.destroy();
        reject(new TidepoolError(code, `HAProxy at ${this.#path} ${what}`));
      };
      const late = (): void => fail('timeout', `gave no answer for ${answerLimitMs} ms`);
      const cancel = afterListening(this.#clock, answerLimitMs, late);
      socket.on('error', (error) => fail('unavailable', `cannot be asked: ${error.message}`));
      socket.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        bytes += chunk.length;
        if (bytes > maxAnswerBytes) fail('upstream', `answers more than ${maxAnswerBytes} bytes`);
      });
      socket.on('end', () => resolve(Buffer.concat(chunks).toString().trim()));
      socket.on('close', cancel);
      // The master answers, and closes only after we did.
      socket.end(`${line}\n`);
    });
  }
}

/**
 * Reads `show proc`:
 *
 *     #<PID>  <type>  <reloads>      <uptime>     <version>
 *     1162    master  5 [failed: 0]  0d00h02m07s  2.6.12
 *     # workers
 *     1271    worker  1              0d00h00m00s  2.6.12
 *     # old workers
 *     1233    worker  3              0d00h00m43s  2.6.12
 *
 * Errors: `upstream`.
 */
export function parseProcesses(text: string): Processes {
  const master = /^(\d+)\s+master\s+(\d+)\s+\[failed: (\d+)\]/m.exec(text);
  if (master === null) throw new TidepoolError('upstream', `HAProxy does not say what runs: ${text.slice(0, 200)}`);
  const [now = '', old = ''] = text.split(/^# old workers$/m);
  const [worker] = workersIn(now);
  const [, pid, reloads, failedReloads] = master.map(Number);
  return {
    master: pid ?? 0,
    worker,
    leaving: workersIn(old),
    reloads: reloads ?? 0,
    failedReloads: failedReloads ?? 0,
  };
}

function workersIn(text: string): number[] {
  return [...text.matchAll(/^(\d+)\s+worker\s/gm)].map((match) => Number(match[1]));
}
