import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { TidepoolError } from '../domain/errors.ts';
import {
  type AgentHealth,
  preparingHoldMs,
  reportTrailer,
  stateHeader,
  uptimeHeader,
  workUntilHeader,
} from '../protocol/agent.ts';
import { encodeFiles, type FileEntry } from '../protocol/file-stream.ts';
import type { Attempt } from './attempt.ts';
import { parseAttemptSpec } from './attempt-spec.ts';
import type { Attempts } from './attempts.ts';
import type { AgentClock } from './clock.ts';
import { asciiJson, holdFor, numberParameter, over, readUpload, sendEmpty, sendError, sendJson } from './http-io.ts';
import { listProduced, openProduced } from './produced-files.ts';
import type { Call, Routes } from './route.ts';
import { type ServiceApi, serviceRoutes } from './service/routes.ts';
import type { WorkLease } from './work-lease.ts';

/** What jobs need. */
export interface JobApi {
  readonly attempts: Attempts;
  readonly clock: AgentClock;
  health(): AgentHealth;
  setClock(nowMs: number): Promise<void>;
  readonly lease: WorkLease;
}

export interface AgentApi extends ServiceApi, JobApi {}

/** Those of protocol/agent.ts. */
export const jobRoutes: Routes<JobApi> = {
  'GET /v1/health': async (api, { response }) => sendJson(response, 200, api.health()),
  'POST /v1/clock': setClock,
  'GET /v1/attempts': async (api, { response }) => sendJson(response, 200, api.attempts.reports()),
  'POST /v1/attempts': startAttempt,
  'GET /v1/attempts/:id': async (api, { response }, id) => sendJson(response, 200, api.attempts.get(id).report),
  'GET /v1/attempts/:id/output': followOutput,
  'POST /v1/attempts/:id/stop': stopAttempt,
  'GET /v1/attempts/:id/files': sendFiles,
  'DELETE /v1/attempts': async (api, { query, response }) => {
    await api.attempts.remove((query.get('ids') ?? '').split(','));
    sendEmpty(response);
  },
};

/** Those of protocol/agent-service.ts too. */
export const agentRoutes: Routes<AgentApi> = { ...serviceRoutes, ...jobRoutes };

/** Answers one request; whatever goes wrong is answered as a coded error. */
export async function answer<Api extends Pick<JobApi, 'lease'>>(
  routes: Routes<Api>,
  api: Api,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort(over));
  api.lease.heard(request.headers[workUntilHeader]);
  response.setHeader(uptimeHeader, api.lease.uptimeMs);
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

async function setClock(api: JobApi, { response, query }: Call): Promise<void> {
  const nowMs = numberParameter(query, 'nowMs');
  if (nowMs === 0) throw new TidepoolError('invalid', 'the clock is set by nowMs, milliseconds since 1970');
  await api.setClock(nowMs);
  sendJson(response, 200, api.health());
}

async function startAttempt(api: JobApi, call: Call): Promise<void> {
  const { attempts } = api;
  const { id } = await readUpload(call.request, (line, files) => attempts.start(parseAttemptSpec(line), files));
  await sendOutput(api, call, attempts.get(id), 0);
}

async function followOutput(api: JobApi, call: Call, id: string): Promise<void> {
  const attempt = api.attempts.get(id);
  const offset = numberParameter(call.query, 'offset');
  const { sizeBytes } = attempt.log;
  if (offset > sizeBytes) throw new TidepoolError('invalid', `the output of ${id} has ${sizeBytes} bytes so far`);
  await sendOutput(api, call, attempt, offset);
}

async function sendOutput({ clock }: JobApi, call: Call, attempt: Attempt, offset: number): Promise<void> {
  const { response, signal } = call;
  const { log } = attempt;
  await holdFor(preparingHoldMs, call, clock, (waited) => attempt.untilStarted(waited));
  const { state } = attempt.report;
  if (state === 'preparing') {
    response.writeHead(202).end();
    return;
  }
  const type = 'application/octet-stream';
  response.writeHead(200, { 'content-type': type, [stateHeader]: state, trailer: reportTrailer });
  response.flushHeaders();
  for await (const bytes of log.read(offset, signal)) {
    if (!response.write(bytes)) await once(response, 'drain', { signal });
  }
  await attempt.untilEnded(signal);
  response.addTrailers({ [reportTrailer]: asciiJson(attempt.report) });
  response.end();
}

async function stopAttempt(api: JobApi, { response, signal }: Call, id: string): Promise<void> {
  const attempt = api.attempts.get(id);
  attempt.stop(false);
  await attempt.untilEnded(signal);
  sendJson(response, 200, attempt.report);
}

async function sendFiles(api: JobApi, { response }: Call, id: string): Promise<void> {
  const attempt = api.attempts.get(id);
  if (!attempt.isEnded)
    throw new TidepoolError('conflict', `attempt ${id} still runs; its files come when it has ended`);
  response.writeHead(200, { 'content-type': 'application/octet-stream' });
  await pipeline(Readable.from(encodeFiles(producedBy(attempt)), { objectMode: false }), response);
}

async function* producedBy({ place, diskBytes }: Attempt): AsyncGenerator<FileEntry> {
  if (place === null) return;
  const { files } = await listProduced(place.workPath, diskBytes);
  yield* openProduced(place.workPath, files);
}
