import { openAsBlob } from 'node:fs';
import { basename } from 'node:path';
import type { z } from 'zod';
import { type ErrorCode, errorCodes, TidepoolError } from '../domain/errors.ts';
import {
  type HealthView,
  healthSchema,
  type JobFileView,
  type JobView,
  jobFilesSchema,
  jobListSchema,
  jobSchema,
  problemSchema,
  type SubmissionBody,
  type VmView,
  vmListSchema,
} from '../protocol/api.ts';

/** Where a server is and how to sign in to it. */
export interface Connection {
  readonly url: string;
  readonly token: string;
}

/** A client of the public API. Errors of the server come back as TidepoolError with the server's code. */
export class ApiClient {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  async health(): Promise<HealthView> {
    return this.#json('GET', '/health', healthSchema);
  }

  /** @param data path of a ZIP file */
  async submit(spec: SubmissionBody, script: string, data: string | undefined): Promise<JobView> {
    const form = new FormData();
    form.set('spec', JSON.stringify(spec));
    form.set('script', await openAsBlob(script), basename(script));
    if (data !== undefined) form.set('data', await openAsBlob(data), basename(data));
    return this.#json('POST', '/jobs', jobSchema, form);
  }

  async jobs(query: { state?: string; limit?: string; cursor?: string }): Promise<z.output<typeof jobListSchema>> {
    return this.#json('GET', `/jobs?${new URLSearchParams(query)}`, jobListSchema);
  }

  async job(id: string): Promise<JobView> {
    return this.#json('GET', `/jobs/${encodeURIComponent(id)}`, jobSchema);
  }

  async cancel(id: string): Promise<JobView> {
    return this.#json('POST', `/jobs/${encodeURIComponent(id)}/cancel`, jobSchema);
  }

  async files(id: string): Promise<JobFileView[]> {
    return (await this.#json('GET', `/jobs/${encodeURIComponent(id)}/files`, jobFilesSchema)).files;
  }

  async file(id: string, path: string): Promise<ReadableStream<Uint8Array>> {
    const encoded = path.split('/').map(encodeURIComponent).join('/');
    return body(await this.#request('GET', `/jobs/${encodeURIComponent(id)}/files/${encoded}`));
  }

  /** The log's server-sent events. @param from `ATTEMPT:OFFSET`, or undefined for all of it */
  async logs(id: string, follow: boolean, from?: string, signal?: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    const query = new URLSearchParams({ follow: String(follow), ...(from === undefined ? {} : { from }) });
    const path = `/jobs/${encodeURIComponent(id)}/logs?${query}`;
    return body(await this.#request('GET', path, undefined, signal));
  }

  async vms(): Promise<VmView[]> {
    return (await this.#json('GET', '/vms', vmListSchema)).vms;
  }

  async #json<T extends z.ZodType>(method: string, path: string, schema: T, form?: FormData): Promise<z.output<T>> {
    const response = await this.#request(method, path, form);
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

  async #request(method: string, path: string, form?: FormData, signal?: AbortSignal): Promise<Response> {
    const { url, token } = this.#connection;
    let response: Response;
    try {
      response = await fetch(`${url}/api/v1${path}`, {
        method,
        headers: { authorization: `Bearer ${token}` },
        ...(form === undefined ? {} : { body: form }),
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

function body(response: Response): ReadableStream<Uint8Array> {
  if (response.body === null) throw new TidepoolError('upstream', 'the server sent an empty answer');
  return response.body;
}

async function problemOf(response: Response): Promise<TidepoolError> {
  const parsed = problemSchema.safeParse(await response.json().catch(() => undefined));
  if (!parsed.success) return new TidepoolError('upstream', `the server answered with HTTP status ${response.status}`);
  const { code, detail, details } = parsed.data;
  const known = code in errorCodes ? (code as ErrorCode) : 'upstream';
  return new TidepoolError(known, detail, { details });
}
