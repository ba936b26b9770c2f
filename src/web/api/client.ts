import createClient from 'openapi-fetch';
import type { Problem } from '../../protocol/api.ts';
import type { paths } from './generated.d.ts';

/** The public API; the browser adds the session's cookie. Wrap calls in `answer`. */
export const api = createClient<paths>({ baseUrl: '/' });

/** What went wrong with a request, with a sentence for a person. */
export class ApiError extends Error {
  /** One of the API's codes, or `unreachable` when there was no answer. */
  readonly code: string;
  /** 0 when there was no answer. */
  readonly status: number;

  constructor(code: string, status: number, message: string) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

/** The content of an answer. Throws ApiError. */
export async function answer<T>(
  call: Promise<{ data?: T | undefined; error?: unknown; response: Response }>,
): Promise<T> {
  const { data, error, response } = await call.catch(unreachable);
  if (!response.ok) throw problemError(response.status, error);
  return data as T;
}

/** Of a request that came to nothing on the way. */
export function unreachable(): never {
  throw new ApiError('unreachable', 0, 'the server does not answer');
}

/** An error of what the server said instead of an answer. Pure. */
export function problemError(status: number, body: unknown): ApiError {
  const problem = (typeof body === 'object' ? body : undefined) as Partial<Problem> | undefined;
  return new ApiError(problem?.code ?? 'internal', status, problem?.detail ?? `the server answered ${status}`);
}

/** The same from an answer whose body was not read yet. */
export async function responseError(response: Response): Promise<ApiError> {
  return problemError(response.status, await response.json().catch(() => undefined));
}
