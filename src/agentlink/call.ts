import type { IncomingMessage } from 'node:http';
import type { z } from 'zod';
import { TidepoolError, toTidepoolError } from '../domain/errors.ts';
import { encodeFiles, type FileEntry } from '../protocol/file-stream.ts';
import type { Deadline } from './deadline.ts';
import { type Request, readText } from './exchange.ts';

/** Time for a call that the agent can answer at once. */
export const callLimitMs = 10_000;
/** The agent answers a stop when the whole container is gone: after the grace, and what the kernel takes. */
export const stopLimitMs = 60_000;
/** A transfer that does not move for so long is given up. */
export const stallLimitMs = 60_000;
const maxJsonBytes = 8 * 1024 * 1024;

/** An answer that is JSON of a certain shape. Error: `upstream`. */
export async function parseJson<T>(schema: z.ZodType<T>, request: Request, response: IncomingMessage): Promise<T> {
  return parseText(schema, request, await readText(request, response, maxJsonBytes));
}

/** JSON of a certain shape in an answer. Error: `upstream`. */
export function parseText<T>(schema: z.ZodType<T>, request: Request, text: string): T {
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw new TidepoolError('upstream', `the agent's answer to ${request.path} is not of the protocol`, { cause });
  }
}

/** The body of a request that starts something: what, as a line of JSON, and its files. */
export async function* upload(
  spec: object,
  files: AsyncIterable<FileEntry> | Iterable<FileEntry>,
): AsyncGenerator<Uint8Array> {
  yield Buffer.from(`${JSON.stringify(spec)}\n`);
  try {
    yield* encodeFiles(files);
  } catch (cause) {
    throw toTidepoolError(cause); // Ours, not the connection's.
  }
}

/** Passes chunks on and gives the deadline its full time again at each. */
export async function* renewing(source: AsyncIterable<Uint8Array>, limit: Deadline): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    limit.renew();
    yield chunk;
  }
}
