import { randomUUID } from 'node:crypto';
import { constants, openAsBlob } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import type { z } from 'zod';
import { hasCode, TidepoolError } from '../domain/errors.ts';
import { fileTrouble } from '../domain/file-trouble.ts';
import {
  type AttemptView,
  attemptListSchema,
  type CancelBody,
  type CancelledView,
  cancelledSchema,
  type JobFileListView,
  type JobFileView,
  type JobView,
  jobFilesSchema,
  jobListSchema,
  jobSchema,
  type SubmissionBody,
} from '../protocol/api.ts';
import type { ApiClient } from './client.ts';

/** Paths on this machine of the files of a submission: a script, or a ZIP file with a project. */
export interface SubmittedFiles {
  readonly script?: string;
  readonly project?: string;
  readonly data?: string | undefined;
  readonly requirements?: string | undefined;
}

/** A submission is sent again so often, so far apart, when the connection is lost under it. */
const submitTries = 20;
const submitPauseMs = 500;

/** Jobs of the public API. Errors of the server come back as TidepoolError. */
export class JobClient {
  readonly #api: ApiClient;

  constructor(api: ApiClient) {
    this.#api = api;
  }

  /**
   * Submits once: what is sent again because an answer was lost has the same key.
   * @param sleep waits the given milliseconds
   */
  async submit(spec: SubmissionBody, files: SubmittedFiles, sleep: (ms: number) => Promise<void>): Promise<JobView> {
    const headers = { 'idempotency-key': randomUUID() };
    for (let triesLeft = submitTries; ; triesLeft -= 1) {
      try {
        return await this.#api.json('POST', '/jobs', jobSchema, await formOf(spec, files), headers);
      } catch (error) {
        const isFirst = triesLeft === submitTries;
        if (!hasCode(error, 'unavailable') || triesLeft <= 0 || (isFirst && isNotTaken(error))) throw error;
        await sleep(submitPauseMs);
      }
    }
  }

  async list(query: {
    state?: string;
    owner?: string;
    limit?: string;
    cursor?: string;
  }): Promise<z.output<typeof jobListSchema>> {
    return this.#api.json('GET', `/jobs?${new URLSearchParams(query)}`, jobListSchema);
  }

  async job(id: string): Promise<JobView> {
    return this.#api.json('GET', path(id), jobSchema);
  }

  async attempts(id: string): Promise<AttemptView[]> {
    return (await this.#api.json('GET', path(id, '/attempts'), attemptListSchema)).attempts;
  }

  async cancel(id: string): Promise<JobView> {
    return this.#api.json('POST', path(id, '/cancel'), jobSchema);
  }

  async cancelMany(filter: CancelBody): Promise<CancelledView> {
    return this.#api.json('POST', '/jobs/cancel', cancelledSchema, filter);
  }

  async rerun(id: string): Promise<JobView> {
    return this.#api.json('POST', path(id, '/rerun'), jobSchema, undefined, { 'idempotency-key': randomUUID() });
  }

  async delete(id: string): Promise<void> {
    await this.#api.request('DELETE', path(id));
  }

  /** All of them, by path. */
  async files(id: string): Promise<JobFileView[]> {
    const all: JobFileView[] = [];
    let cursor: string | null = null;
    do {
      const query: string = cursor === null ? '' : `?${new URLSearchParams({ cursor })}`;
      const page: JobFileListView = await this.#api.json('GET', path(id, `/files${query}`), jobFilesSchema);
      all.push(...page.files);
      cursor = page.nextCursor;
    } while (cursor !== null);
    return all;
  }

  async file(id: string, name: string): Promise<ReadableStream<Uint8Array>> {
    const encoded = name.split('/').map(encodeURIComponent).join('/');
    return this.#api.stream(path(id, `/files/${encoded}`));
  }

  /** All files as a ZIP archive. */
  async archive(id: string): Promise<ReadableStream<Uint8Array>> {
    return this.#api.stream(path(id, '/archive'));
  }

  /** The log's server-sent events. @param from `ATTEMPT:OFFSET`, or undefined for all of it */
  async logs(id: string, follow: boolean, from?: string, signal?: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    const query = new URLSearchParams({ follow: String(follow), ...(from === undefined ? {} : { from }) });
    return this.#api.stream(path(id, `/logs?${query}`), signal);
  }
}

function path(id: string, rest = ''): string {
  return `/jobs/${encodeURIComponent(id)}${rest}`;
}

async function formOf(spec: SubmissionBody, files: SubmittedFiles): Promise<FormData> {
  const form = new FormData();
  form.set('spec', JSON.stringify(spec));
  for (const [part, file] of Object.entries(files) as [string, string | undefined][]) {
    if (file === undefined) continue;
    form.set(part, await readableFile(file), basename(file));
  }
  return form;
}

/** Error: `invalid`, also for a folder. */
async function readableFile(path: string): Promise<Blob> {
  try {
    await access(path, constants.R_OK);
    if ((await stat(path)).isFile()) return await openAsBlob(path);
  } catch (cause) {
    throw new TidepoolError('invalid', `the file ${path} cannot be read: ${fileTrouble(cause)}`, { cause });
  }
  throw new TidepoolError('invalid', `${path} is not a file`);
}

/** Nothing listens there, or the server is stopping: what was sent has arrived nowhere, and a short wait rarely helps. */
function isNotTaken(error: TidepoolError): boolean {
  if (error.details.isStopping === true) return true;
  const reason = error.cause instanceof Error ? error.cause.cause : undefined;
  return reason instanceof Error && 'code' in reason && reason.code === 'ECONNREFUSED';
}
