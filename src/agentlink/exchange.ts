import type { IncomingMessage } from 'node:http';
import { type Agent, request as httpsRequest } from 'node:https';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { AgentAddress } from '../domain/agent-link.ts';
import { hasCode, TidepoolError } from '../domain/errors.ts';
import { agentErrorSchema } from './schemas.ts';
import { noteAnswer, permission } from './work-lease.ts';

export interface Request {
  readonly address: AgentAddress;
  readonly agent: Agent;
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Path and query. */
  readonly path: string;
  readonly body?: AsyncIterable<Uint8Array>;
  readonly signal: AbortSignal;
  /** Called when the agent's part of the handshake of a new connection is there. */
  readonly onContact?: (() => void) | undefined;
}

const maxErrorBytes = 16 * 1024;

/**
 * Sends one request and returns the answer once its head is there.
 * Errors: those of AgentLink; an error that the agent named is thrown with its code.
 */
export async function exchange(request: Request): Promise<IncomingMessage> {
  try {
    return await send(request);
  } catch (error) {
    if (!isStaleConnection(error) || request.body !== undefined) throw error;
    // The connection was closed while it lay idle. All calls without a body may be repeated.
    return await send(request);
  }
}

async function send(request: Request): Promise<IncomingMessage> {
  const { address, agent, method, path, body, signal, onContact } = request;
  signal.throwIfAborted();
  const headers = permission(agent, address);
  const sent = httpsRequest({ host: address.host, port: address.port, agent, method, path, headers, signal });
  sent.once('response', (response) => noteAnswer(agent, response));
  // The keys are made from what the agent sent.
  if (onContact !== undefined) sent.once('socket', (socket) => socket.once('keylog', onContact));
  // When the body breaks off, the request only says that the connection did.
  const failed: { cause?: unknown } = {};
  const head = new Promise<IncomingMessage>((resolve, reject) => {
    sent.once('response', resolve);
    sent.once('error', (cause) => reject(connectionError(request, failed.cause ?? cause, sent.reusedSocket)));
  });
  // An early answer (an error) ends the upload, and the reason is in the answer and not in the broken pipe.
  const upload =
    body === undefined ? endNow(sent) : pipeline(Readable.from(noting(body, failed), { objectMode: false }), sent);
  const uploadFailed = upload.then(
    () => head,
    async (cause: unknown) => {
      const answered = await head.catch(() => undefined);
      if (answered !== undefined) return answered;
      throw connectionError(request, cause, false);
    },
  );
  const response = await Promise.race([head, uploadFailed]);
  // An answer that does not wait for the whole body wants no more of it.
  response.once('end', () => sent.writableEnded || sent.destroy());
  if (response.statusCode !== undefined && response.statusCode < 300) return response;
  throw await readAgentError(request, response);
}

async function* noting(body: AsyncIterable<Uint8Array>, failed: { cause?: unknown }): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (cause) {
    failed.cause = cause;
    throw cause;
  }
}

async function endNow(sent: { end(): unknown }): Promise<void> {
  sent.end();
}

class StaleConnection extends TidepoolError {}

function isStaleConnection(error: unknown): boolean {
  return error instanceof StaleConnection;
}

function connectionError(request: Request, cause: unknown, isReused: boolean): TidepoolError {
  const { signal, address } = request;
  if (cause instanceof TidepoolError) return cause; // Of the body that was to be sent.
  if (signal.aborted && signal.reason instanceof TidepoolError) return signal.reason;
  const reason = cause instanceof Error ? cause.message.trim() : String(cause);
  const message = `the agent at ${address.host}:${address.port} cannot be reached: ${reason}`;
  const Kind = isReused ? StaleConnection : TidepoolError;
  return new Kind('unavailable', message, { cause });
}

/** The error of a transfer that broke off in its middle. */
export function transferError(request: Request, cause: unknown): TidepoolError {
  return connectionError(request, cause, false);
}

async function readAgentError(request: Request, response: IncomingMessage): Promise<TidepoolError> {
  const status = response.statusCode;
  try {
    const parsed = agentErrorSchema.parse(JSON.parse(await readText(request, response, maxErrorBytes)));
    return new TidepoolError(parsed.code, parsed.message);
  } catch (cause) {
    if (hasCode(cause, 'unavailable') || hasCode(cause, 'timeout') || hasCode(cause, 'aborted')) return cause;
    return new TidepoolError('upstream', `the agent answered ${request.path} with status ${status}`, { cause });
  }
}

/** The whole body as text. Error: `upstream` when it is longer than `maxBytes`. */
export async function readText(request: Request, response: IncomingMessage, maxBytes: number): Promise<string> {
  return (await readBytes(request, response, maxBytes)).toString();
}

/** The whole body. Error: `upstream` when it is longer than `maxBytes`. */
export async function readBytes(request: Request, response: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of response) {
      size += chunk.length;
      if (size > maxBytes) throw new TidepoolError('upstream', `the agent's answer to ${request.path} is too long`);
      chunks.push(chunk);
    }
  } catch (cause) {
    response.destroy();
    throw transferError(request, cause);
  }
  return Buffer.concat(chunks);
}
