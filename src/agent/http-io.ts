import type { IncomingMessage, ServerResponse } from 'node:http';
import { errorCodes, TidepoolError, toTidepoolError } from '../domain/errors.ts';

const maxMessageChars = 2_000;

/** Answers with a JSON body. */
export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  response.end(text);
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

/** The whole body of a small request. Error: `too_large`. */
export async function readText(request: IncomingMessage, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  await withBody(request, async (body) => {
    for await (const chunk of body) {
      size += chunk.length;
      if (size > maxBytes) throw new TidepoolError('too_large', `a request of this kind has at most ${maxBytes} bytes`);
      chunks.push(chunk);
    }
  });
  return Buffer.concat(chunks).toString();
}

/** A whole number from 0 in the query; 0 when it is not there. Error: `invalid`. */
export function numberParameter(query: URLSearchParams, name: string): number {
  const value = Number(query.get(name) ?? '0');
  if (!Number.isSafeInteger(value) || value < 0)
    throw new TidepoolError('invalid', `${name} is not a whole number from 0`);
  return value;
}
