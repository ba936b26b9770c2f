import assert from 'node:assert/strict';
import type { z } from 'zod';
import { type Problem, problemSchema } from '../../src/protocol/api.ts';
import { openTestWeb, type TestWeb, type WebSettings } from '../accounts/server.ts';
import { addTestUser, openTestAccounts, sessionOf } from '../accounts/support.ts';

export interface TestApi extends AsyncDisposable {
  readonly web: TestWeb;
  /** A request to `/api/v1/...` as `ann`. */
  ask(method: string, path: string, init?: AskInit): Promise<Response>;
  /** One that must succeed with this status and schema. */
  get<T extends z.ZodType>(method: string, path: string, schema: T, init?: AskInit): Promise<z.output<T>>;
  /** One that must be refused with a problem of this status. */
  refused(status: number, method: string, path: string, init?: AskInit): Promise<Problem>;
}

export interface AskInit {
  readonly body?: FormData | string | ReadableStream;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** The HTTP server as the user `ann` sees it. */
export async function openTestApi(settings: WebSettings = {}): Promise<TestApi> {
  const web = await openTestWeb(await openTestAccounts(), settings);
  await addTestUser(web.accounts, 'ann');
  const secret = await sessionOf(web.accounts, 'ann');
  const ask: TestApi['ask'] = (method, path, { headers, ...init } = {}) =>
    fetch(`${web.url}/api/v1${path}`, {
      method,
      ...init,
      ...(init.body instanceof ReadableStream ? { duplex: 'half' } : {}),
      headers: { authorization: `Bearer ${secret}`, ...headers },
    });
  return {
    web,
    ask,
    async get(method, path, schema, init) {
      const response = await ask(method, path, init);
      const value: unknown = await response.json();
      assert.ok(response.ok, JSON.stringify(value));
      return schema.parse(value);
    },
    async refused(status, method, path, init) {
      const response = await ask(method, path, init);
      assert.match(response.headers.get('content-type') ?? '', /^application\/problem\+json/);
      const problem = problemSchema.parse(await response.json());
      assert.deepEqual([response.status, problem.status], [status, status], problem.detail);
      return problem;
    },
    [Symbol.asyncDispose]: () => web[Symbol.asyncDispose](),
  };
}

/** Parts of a form; files are `[name, content]`. */
export function form(
  parts: Readonly<Record<string, string | readonly [name: string, content: string | Buffer]>>,
): FormData {
  const data = new FormData();
  for (const [part, value] of Object.entries(parts)) {
    if (typeof value === 'string') data.set(part, value);
    else data.set(part, new Blob([new Uint8Array(Buffer.from(value[1]))]), value[0]);
  }
  return data;
}

export const script = ['x.py', 'print(1)\n'] as const;
