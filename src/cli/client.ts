import type { z } from 'zod';
import { type ErrorCode, errorCodes, TidepoolError } from '../domain/errors.ts';
import {
  type DecisionView,
  decisionSchema,
  type EventView,
  eventListSchema,
  type HealthView,
  healthSchema,
  type PoolListView,
  type PoolView,
  poolListSchema,
  poolSchema,
  problemSchema,
  type UsageView,
  usageListSchema,
  type VmView,
  vmListSchema,
  vmSchema,
} from '../protocol/api.ts';
import { type HostView, hostListSchema } from '../protocol/hosts.ts';
import { type DatabaseCopy, databaseCopySchema, type ServerFacts, serverFactsSchema } from '../protocol/server.ts';

/** Where a server is and by what one is known there. */
export interface Connection {
  readonly url: string;
  /** API token, or the secret of a session; null before a sign-in. */
  readonly token: string | null;
}

/** Which events: of one pool, of some names (with commas between them). */
export interface EventChoice {
  readonly pool?: string;
  readonly name?: string;
}

/** A body: a form, or anything that becomes JSON. */
type Content = FormData | Readonly<Record<string, unknown>>;

/** A client of the public API. Errors of the server come back as TidepoolError with the server's code. */
export class ApiClient {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  async health(): Promise<HealthView> {
    return this.json('GET', '/health', healthSchema);
  }

  async pools(): Promise<PoolListView> {
    return this.json('GET', '/pools', poolListSchema);
  }

  async pool(name: string): Promise<PoolView> {
    return this.json('GET', `/pools/${encodeURIComponent(name)}`, poolSchema);
  }

  async plan(name: string): Promise<DecisionView> {
    return this.json('GET', `/pools/${encodeURIComponent(name)}/plan`, decisionSchema);
  }

  async scalePool(name: string, desired: number): Promise<PoolView> {
    return this.json('POST', `/pools/${encodeURIComponent(name)}/scale`, poolSchema, { desired });
  }

  async changePool(name: string, changes: Readonly<Record<string, unknown>>): Promise<PoolView> {
    return this.json('PATCH', `/pools/${encodeURIComponent(name)}`, poolSchema, changes);
  }

  async pausePool(name: string, verb: 'pause' | 'resume'): Promise<PoolView> {
    return this.json('POST', `/pools/${encodeURIComponent(name)}/${verb}`, poolSchema);
  }

  async hosts(): Promise<HostView[]> {
    return (await this.json('GET', '/hosts', hostListSchema)).hosts;
  }

  async serverFacts(): Promise<ServerFacts> {
    return this.json('GET', '/server', serverFactsSchema);
  }

  async copyDatabase(): Promise<DatabaseCopy> {
    return this.json('POST', '/server/database-copies', databaseCopySchema);
  }

  async usage(sinceMs: number): Promise<UsageView[]> {
    return (await this.json('GET', `/usage?sinceMs=${sinceMs}`, usageListSchema)).vms;
  }

  async events(limit: number, choice: EventChoice = {}): Promise<EventView[]> {
    const query = new URLSearchParams({ ...choice, limit: String(limit) });
    return (await this.json('GET', `/events?${query}`, eventListSchema)).events;
  }

  /** Events as they happen, as server-sent events. */
  async eventStream(
    after: number | undefined,
    signal?: AbortSignal,
    choice: EventChoice = {},
  ): Promise<ReadableStream<Uint8Array>> {
    const query = new URLSearchParams({ ...choice, ...(after === undefined ? {} : { after: String(after) }) });
    return this.stream(`/events/stream?${query}`, signal);
  }

  async drainVm(name: string): Promise<VmView> {
    return this.json('POST', `/vms/${encodeURIComponent(name)}/drain`, vmSchema);
  }

  async deleteVm(name: string): Promise<VmView> {
    return this.json('DELETE', `/vms/${encodeURIComponent(name)}`, vmSchema);
  }

  /** A VM's serial console, both ways. Errors come as its `close` event. */
  console(name: string): WebSocket {
    const { url, token } = this.#connection;
    const address = `${url.replace(/^http/, 'ws')}/api/v1/vms/${encodeURIComponent(name)}/console`;
    return new WebSocket(address, { headers: { authorization: `Bearer ${token}` } });
  }

  async vms(): Promise<VmView[]> {
    return (await this.json('GET', '/vms', vmListSchema)).vms;
  }

  /** A request whose answer is JSON of this schema, for the parts of the API that have a file of their own. */
  async json<T extends z.ZodType>(
    method: string,
    path: string,
    schema: T,
    content?: Content,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<z.output<T>> {
    const response = await this.request(method, path, content, undefined, { accept: 'application/json', ...headers });
    const parsed = schema.safeParse(await response.json());
    if (parsed.success) return parsed.data;
    throw new TidepoolError(
      'upstream',
      `the server at ${this.#connection.url} is of another version than this command`,
      {
        cause: parsed.error,
      },
    );
  }

  /** The bytes of an answer as they come. */
  async stream(path: string, signal?: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    const { body } = await this.request('GET', path, undefined, signal);
    if (body === null) throw new TidepoolError('upstream', 'the server sent an empty answer');
    return body;
  }

  /** A request; an answer that is an error is thrown. */
  async request(
    method: string,
    path: string,
    content?: Content,
    signal?: AbortSignal,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Response> {
    const { url, token } = this.#connection;
    const isJson = content !== undefined && !(content instanceof FormData);
    let response: Response;
    try {
      response = await fetch(`${url}/api/v1${path}`, {
        method,
        headers: {
          ...(token === null ? {} : { authorization: `Bearer ${token}` }),
          ...(isJson ? { 'content-type': 'application/json' } : {}),
          ...headers,
        },
        ...(content === undefined ? {} : { body: isJson ? JSON.stringify(content) : content }),
        ...(signal === undefined ? {} : { signal }),
      });
    } catch (cause) {
      if (signal?.aborted) throw new TidepoolError('aborted', 'interrupted', { cause });
      throw new TidepoolError('unavailable', `no server answers at ${url}; start one with: npm start`, { cause });
    }
    if (response.ok) return response;
    throw await problemOf(response);
  }
}

async function problemOf(response: Response): Promise<TidepoolError> {
  const parsed = problemSchema.safeParse(await response.json().catch(() => undefined));
  if (!parsed.success) return new TidepoolError('upstream', `the server answered with HTTP status ${response.status}`);
  const { code, detail, details } = parsed.data;
  const known = code in errorCodes ? (code as ErrorCode) : 'upstream';
  return new TidepoolError(known, detail, { details });
}
