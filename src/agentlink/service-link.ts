import type { AgentAddress } from '../domain/agent-link.ts';
import type { Clock } from '../domain/clock.ts';
import { TidepoolError } from '../domain/errors.ts';
import type { ServiceLink, ServiceOutput } from '../domain/service-link.ts';
import {
  outputOffsetHeader,
  type ServiceReport,
  type ServiceSpec,
  type StoreAnswer,
  type StoreRequest,
  storeSilenceMs,
} from '../protocol/agent-service.ts';
import type { FileEntry } from '../protocol/file-stream.ts';
import { callLimitMs, parseJson, renewing, stallLimitMs, stopLimitMs, upload } from './call.ts';
import type { Connections } from './connections.ts';
import { type Deadline, deadline, within } from './deadline.ts';
import { exchange, type Request, readBytes } from './exchange.ts';
import { serviceReportSchema, serviceReportsSchema } from './service-schemas.ts';
import { partingMs, serveStore } from './store-duplex.ts';

const maxReportWaitMs = 60_000;
/** An agent keeps 1 MiB. */
const maxOutputBytes = 4 * 1024 * 1024;

/** ServiceLink over HTTPS with pre-shared keys, on the connections of an HttpsAgentLink, which closes them. */
export class HttpsServiceLink implements ServiceLink {
  readonly #clock: Clock;
  readonly #connections: Connections;

  constructor(clock: Clock, connections: Connections) {
    this.#clock = clock;
    this.#connections = connections;
  }

  startService(
    agent: AgentAddress,
    spec: ServiceSpec,
    files: AsyncIterable<FileEntry> | Iterable<FileEntry>,
  ): Promise<ServiceReport> {
    const limit = deadline(this.#clock, stallLimitMs, `sending service ${spec.id}`);
    const body = renewing(upload(spec, files), limit);
    return this.#report(spec.id, { ...this.#request(agent, 'PUT', servicePath(spec.id), limit), body }, limit);
  }

  services(agent: AgentAddress): Promise<ServiceReport[]> {
    const limit = deadline(this.#clock, callLimitMs, 'GET /v1/services');
    const request = this.#request(agent, 'GET', '/v1/services', limit);
    return within(limit, async () => parseJson(serviceReportsSchema, request, await exchange(request)));
  }

  serviceReport(agent: AgentAddress, id: string, waitMs = 0, signal?: AbortSignal): Promise<ServiceReport> {
    const heldMs = Math.min(Math.max(0, Math.floor(waitMs)), maxReportWaitMs);
    const limit = deadline(this.#clock, heldMs + callLimitMs, `the report of service ${id}`, signal);
    return this.#report(id, this.#request(agent, 'GET', `${servicePath(id)}?waitMs=${heldMs}`, limit), limit);
  }

  async removeService(agent: AgentAddress, id: string): Promise<void> {
    const limit = deadline(this.#clock, stopLimitMs, `removing service ${id}`);
    const request = this.#request(agent, 'DELETE', servicePath(id), limit);
    await within(limit, async () => (await exchange(request)).resume());
  }

  serviceOutput(agent: AgentAddress, id: string, offset: number): Promise<ServiceOutput> {
    const limit = deadline(this.#clock, callLimitMs, `the output of service ${id}`);
    const request = this.#request(agent, 'GET', `${servicePath(id)}/output?offset=${offset}`, limit);
    return within(limit, async () => {
      const response = await exchange(request);
      const bytes = await readBytes(request, response, maxOutputBytes);
      const start = Number(response.headers[outputOffsetHeader]);
      if (!Number.isSafeInteger(start) || start < offset)
        throw new TidepoolError('upstream', `the agent does not say where the output of ${id} begins`);
      return { offset: start, bytes };
    });
  }

  serveStore(
    agent: AgentAddress,
    answer: (requests: readonly StoreRequest[], relay: string | undefined) => Promise<StoreAnswer[]>,
    signal: AbortSignal,
  ): Promise<void> {
    const limit = deadline(this.#clock, storeSilenceMs, 'hearing of the store', signal, partingMs);
    return within(limit, () => serveStore(this.#request(agent, 'POST', '/v1/store', limit), limit, answer, signal));
  }

  #report(id: string, request: Request, limit: Deadline): Promise<ServiceReport> {
    return within(limit, async () => {
      const report = await parseJson(serviceReportSchema, request, await exchange(request));
      if (report.id === id) return report;
      throw new TidepoolError('upstream', `the agent was asked for ${id} and reported ${report.id}`);
    });
  }

  #request(address: AgentAddress, method: Request['method'], path: string, limit: Deadline): Request {
    return { address, agent: this.#connections.of(address), method, path, signal: limit.signal };
  }
}

function servicePath(id: string): string {
  return `/v1/services/${encodeURIComponent(id)}`;
}
