import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { TidepoolError } from '../domain/errors.ts';
import type { AgentHealth } from '../protocol/agent.ts';
import { encodeFiles } from '../protocol/file-stream.ts';
import { parseAttemptSpec } from './attempt-spec.ts';
import type { Attempts } from './attempts.ts';
import type { AgentClock } from './clock.ts';
import { splitFirstLine } from './first-line.ts';
import { numberParameter, sendEmpty, sendError, sendJson, withBody } from './http-io.ts';
import { listProduced, openProduced } from './produced-files.ts';

/** Arguments and environment may take up to the kernel's own limit for a new process. */
const maxSpecBytes = 4 * 1024 * 1024;
const maxWaitMs = 60_000;
/** An upload that does not move for so long is cut. */
const uploadStallMs = 60_000;

export interface AgentApi {
  readonly attempts: Attempts;
  readonly clock: AgentClock;
  health(): AgentHealth;
  setClock(nowMs: number): Promise<void>;
}

interface Call {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
  /** Fires when the caller is gone. */
  readonly signal: AbortSignal;
}

type Handler = (api: AgentApi, call: Call, id: string) => Promise<void>;

/** `METHOD path` with `:id` for the one variable part. The list is that of protocol/agent.ts. */
const routes: Readonly<Record<string, Handler>> = {
  'GET /v1/health': async (api, { response }) => sendJson(response, 200, api.health()),
  'POST /v1/clock': setClock,
  'GET /v1/attempts': async (api, { response }) => sendJson(response, 200, api.attempts.reports()),
  'POST /v1/attempts': startAttempt,
  'GET /v1/attempts/:id': reportAttempt,
  'GET /v1/attempts/:id/output': followOutput,
  'POST /v1/attempts/:id/stop': stopAttempt,
  'GET /v1/attempts/:id/files': sendFiles,
  'DELETE /v1/attempts/:id': async (api, { response }, id) => {
    await api.attempts.remove(id);
    sendEmpty(response);
  },
};

/** Answers one request; whatever goes wrong is answered as a coded error. */
export async function answer(api: AgentApi, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  try {
    const url = new URL(request.url ?? '/', 'https://agent');
    const [, version, collection, id = '', ...rest] = url.pathname.split('/');
    const pattern = [`/${version}/${collection}`, ...(id === '' ? [] : [':id']), ...rest].join('/');
    const handler = routes[`${request.method} ${pattern}`];
    if (handler === undefined)
      throw new TidepoolError('not_found', `the agent has no ${request.method} ${url.pathname}`);
    await handler(api, { request, response, query: url.searchParams, signal: gone.signal }, id);
  } catch (error) {
    if (!gone.signal.aborted) sendError(response, error);
  }
}

async function setClock(api: AgentApi, { response, query }: Call): Promise<void> {
  const nowMs = numberParameter(query, 'nowMs');
  if (nowMs === 0) throw new TidepoolError('invalid', 'the clock is set by nowMs, milliseconds since 1970');
  await api.setClock(nowMs);
  sendJson(response, 200, api.health());
}

async function startAttempt(api: AgentApi, { request, response }: Call): Promise<void> {
  request.setTimeout(uploadStallMs, () => request.destroy());
  const report = await withBody(request, async (body) => {
    const { line, rest } = await splitFirstLine(body, maxSpecBytes);
    return api.attempts.start(parseAttemptSpec(line), rest);
  });
  sendJson(response, 202, report);
}

async function reportAttempt(api: AgentApi, { response, query, signal }: Call, id: string): Promise<void> {
  const attempt = api.attempts.get(id);
  const waitMs = Math.min(numberParameter(query, 'waitMs'), maxWaitMs);
  if (waitMs > 0 && !attempt.isEnded) {
    const waited = new AbortController();
    const cancel = api.clock.after(waitMs, () => waited.abort());
    await attempt.untilEnded(AbortSignal.any([signal, waited.signal]));
    cancel();
  }
  sendJson(response, 200, attempt.report);
}

async function followOutput(api: AgentApi, { response, query, signal }: Call, id: string): Promise<void> {
  const { log } = api.attempts.get(id);
  const offset = numberParameter(query, 'offset');
  if (offset > log.sizeBytes)
    throw new TidepoolError('invalid', `the output of ${id} has ${log.sizeBytes} bytes so far`);
  response.writeHead(200, { 'content-type': 'application/octet-stream' });
  response.flushHeaders();
  await pipeline(Readable.from(log.read(offset, signal), { objectMode: false }), response);
}

async function stopAttempt(api: AgentApi, { response, signal }: Call, id: string): Promise<void> {
  const attempt = api.attempts.get(id);
  attempt.stop(false);
  await attempt.untilEnded(signal);
  sendJson(response, 200, attempt.report);
}

async function sendFiles(api: AgentApi, { response }: Call, id: string): Promise<void> {
  const attempt = api.attempts.get(id);
  if (!attempt.isEnded)
    throw new TidepoolError('conflict', `attempt ${id} still runs; its files come when it has ended`);
  const { files } = await listProduced(attempt.workPath, attempt.diskBytes);
  response.writeHead(200, { 'content-type': 'application/octet-stream' });
  await pipeline(Readable.from(encodeFiles(openProduced(attempt.workPath, files)), { objectMode: false }), response);
}
