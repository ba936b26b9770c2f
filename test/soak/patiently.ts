import { setTimeout as sleep } from 'node:timers/promises';
import { TidepoolError } from '../../src/domain/errors.ts';

const pauseMs = 500;
const answerLimitMs = 60_000;
/** Codes that a client of a server which is away, or comes back, may meet and has to sit out. */
const passing = ['unavailable', 'timeout', 'upstream', 'aborted'];

/** Asks again while the server is away, as a patient client does. Rejects with every other error, and when the signal fires. */
export async function patiently<T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (;;) {
    try {
      return await Promise.race([ask(), late()]);
    } catch (error) {
      if (signal.aborted || !isPassing(error)) throw error;
    }
    await sleep(pauseMs);
  }
}

/** Whether an error is one of a server that is away for the moment. */
export function isPassing(error: unknown): boolean {
  if (error instanceof TidepoolError) return passing.includes(error.code);
  // The note of the server's token is not there before its first start; a connection may be cut in the middle of an answer.
  return error instanceof Error && /ENOENT|terminated|fetch failed|no answer/.test(error.message);
}

async function late(): Promise<never> {
  await sleep(answerLimitMs, undefined, { ref: false });
  throw new Error(`no answer for ${answerLimitMs / 1_000} s`);
}
