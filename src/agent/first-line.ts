import { TidepoolError } from '../domain/errors.ts';

/**
 * Splits a byte stream after its first line. What is left of `rest` stays in the source.
 * Error: `invalid` (no newline within `maxBytes`).
 */
export async function splitFirstLine(
  source: AsyncIterable<Uint8Array>,
  maxBytes: number,
): Promise<{ line: string; rest: AsyncIterable<Uint8Array> }> {
  const chunks = source[Symbol.asyncIterator]();
  let head: Buffer = Buffer.alloc(0);
  for (;;) {
    const newline = head.indexOf(10);
    if (newline >= 0) {
      return { line: head.toString('utf8', 0, newline), rest: continued(head.subarray(newline + 1), chunks) };
    }
    if (head.length > maxBytes) throw new TidepoolError('invalid', `the first line is longer than ${maxBytes} bytes`);
    const next = await chunks.next();
    if (next.done === true) throw new TidepoolError('invalid', 'the request ends within its first line');
    head = Buffer.concat([head, next.value]);
  }
}

async function* continued(first: Uint8Array, chunks: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  if (first.length > 0) yield first;
  yield* { [Symbol.asyncIterator]: () => chunks };
}
