import type { IncomingMessage, ServerResponse } from 'node:http';
import { errorCodes, TidepoolError, toTidepoolError } from '../domain/errors.ts';
import type { AgentClock } from './clock.ts';
import { splitFirstLine } from './first-line.ts';
import type { Call } from './route.ts';

/** Arguments and environment may take up to the kernel's own limit for a new process. */
const maxSpecBytes = 4 * 1024 * 1024;
const maxWaitMs = 60_000;
/** An upload that does not move for so long is cut. */
const uploadStallMs = 60_000;
const maxMessageChars = 2_000;

/** Why what belongs to a request is let go; made once, since making an error is not cheap. */
export const over = new TidepoolError('aborted', 'the request is over');

/** Answers with a JSON body. */
export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  response.end(text);
}

/** JSON that may stand in a header. */
export function asciiJson(body: unknown): string {
  const escaped = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify(body).replace(/[\u007f-\uffff]/g, escaped);
}

/** Answers with nothing but a status of success. */
export function sendEmpty(response: ServerResponse): void {
  response.writeHead(204).end();
}

/** A coded error; when the answer has begun already, the connection is cut instead, so that it is not taken for whole. */
export function sendError(response: ServerResponse, thrown: unknown): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const { code, message } = toTidepoolError(thrown);
  sendJson(response, errorCodes[code].httpStatus, { code, message: message.slice(0, maxMessageChars) });
}

/**
 * Hands a request's body to `read`, which may leave it half read: the rest is then dropped as it comes. Closing the
 * connection at once instead could cost the caller the answer.
 */
export async function withBody<T>(
  request: IncomingMessage,
  read: (body: AsyncIterableIterator<Uint8Array>) => Promise<T>,
): Promise<T> {
  const body = request.iterator({ destroyOnReturn: false });
  try {
    return await read(body);
  } finally {
    await body.return?.();
    request.resume();
  }
}

/** A whole number from 0 in the query; 0 when it is not there. Error: `invalid`. */
export function numberParameter(query: URLSearchParams, name: string): number {
  const value = Number(query.get(name) ?? '0');
  if (!Number.isSafeInteger(value) || value < 0)
    throw new TidepoolError('invalid', `${name} is not a whole number from 0`);
  return value;
}

/** Reads a request that starts something: a line of JSON, which tells what, and the files. */
export function readUpload<T>(
  request: IncomingMessage,
  start: (line: string, files: AsyncIterable<Uint8Array>) => Promise<T>,
): Promise<T> {
  request.setTimeout(uploadStallMs, () => request.destroy());
  return withBody(request, async (body) => {
    const { line, rest } = await splitFirstLine(body, maxSpecBytes);
    return start(line, rest);
  });
}

/** Waits for what a caller waits for, as long as its `waitMs` says and it is there. */
export async function hold(
  call: Call,
  clock: AgentClock,
  until: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  await holdFor(Math.min(numberParameter(call.query, 'waitMs'), maxWaitMs), call, clock, until);
}

/** Waits for so long at most, and as long as the caller is there. */
export async function holdFor(
  waitMs: number,
  { signal }: Call,
  clock: AgentClock,
  until: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  if (waitMs === 0 || signal.aborted) return;
  const waited = new AbortController();
  const giveUp = (): void => waited.abort(over);
  const cancel = clock.after(waitMs, giveUp);
  signal.addEventListener('abort', giveUp);
  await until(waited.signal);
  signal.removeEventListener('abort', giveUp);
  cancel();
}
