import { answerCalls } from './apart-thread.ts';

let sum = 0;

/** Adds to what was counted before. Resolves later, so that a second call could come between. */
export async function count(more: number): Promise<number> {
  const before = sum;
  await Promise.resolve();
  sum = before + more;
  return sum;
}

/** Fails with this message. */
export function fail(message: string): void {
  throw new RangeError(message);
}

answerCalls({ count, fail });
