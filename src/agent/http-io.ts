import type { ServerResponse } from 'node:http';
import { errorCodes, TidepoolError, toTidepoolError } from '../domain/errors.ts';

export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  response.end(text);
}

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
  // The rest of an upload that nobody reads would block the connection.
  response.setHeader('connection', 'close');
  sendJson(response, errorCodes[code].httpStatus, { code, message });
}

/** A whole number from 0 in the query; 0 when it is not there. Error: `invalid`. */
export function numberParameter(query: URLSearchParams, name: string): number {
  const value = Number(query.get(name) ?? '0');
  if (!Number.isSafeInteger(value) || value < 0)
    throw new TidepoolError('invalid', `${name} is not a whole number from 0`);
  return value;
}
