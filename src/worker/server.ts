import { type ErrorCode, errorCodes, TidepoolError } from '../domain/errors.ts';

/** Whom a worker belongs to, and by what it is known there. */
export interface ServerAddress {
  /** Without a slash at the end. */
  readonly url: string;
  /** API token with the scope `worker`. */
  readonly token: string;
}

const answerLimitMs = 30_000;
const maxProblemBytes = 16 * 1024;

/** One short request to the control plane. Errors: the server's own by their code, `unavailable` when it cannot be reached. */
export function ask(server: ServerAddress, method: string, path: string): Promise<Response> {
  return send(server, method, path, { signal: AbortSignal.timeout(answerLimitMs) });
}

/** The same for an answer that is JSON. Error: `upstream` when it is none, `unavailable` when the connection broke in the middle. */
export async function askJson(server: ServerAddress, method: string, path: string): Promise<unknown> {
  const response = await ask(server, method, path);
  const text = await response.text().catch((cause: unknown) => {
    throw unreachable(server.url, cause);
  });
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new TidepoolError('upstream', `the server at ${server.url} answered with something else than JSON`, {
      cause,
    });
  }
}

/** What may take as long as it takes; a transfer that stands still for minutes is given up by `fetch`. Errors: as `ask`. */
export function download(server: ServerAddress, path: string): Promise<Response> {
  return send(server, 'GET', path, {});
}

async function send({ url, token }: ServerAddress, method: string, path: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url + path, { ...init, method, headers: { authorization: `Bearer ${token}` } });
  } catch (cause) {
    throw unreachable(url, cause);
  }
  if (response.ok) return response;
  throw problemError(await response.text().catch(() => ''), response.status);
}

/** Returns the error that a refusal stands for, with its HTTP status in `details.status`. Pure. */
export function problemError(text: string, status: number): TidepoolError {
  try {
    const problem: unknown = JSON.parse(text.slice(0, maxProblemBytes));
    if (typeof problem === 'object' && problem !== null && 'code' in problem && 'detail' in problem) {
      const code = String(problem.code);
      if (isCode(code)) return new TidepoolError(code, String(problem.detail), { details: { status } });
    }
  } catch {
    // Of a proxy before the server, perhaps.
  }
  return new TidepoolError('upstream', `the server answered with status ${status}`, { details: { status } });
}

function isCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorCodes, code);
}

/** What a connection that failed is to the caller. Pure. */
export function unreachable(url: string, cause: unknown): TidepoolError {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  const reason = inner instanceof Error ? inner.message : String(inner);
  return new TidepoolError('unavailable', `the server at ${url} cannot be reached: ${reason}`, { cause });
}
