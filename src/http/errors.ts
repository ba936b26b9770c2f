import type { Socket } from 'node:net';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { httpStatusOf, TidepoolError, toTidepoolError } from '../domain/errors.ts';
import { systemFault } from '../files/system-fault.ts';
import type { Problem } from '../protocol/api.ts';
import { issueWords } from '../protocol/issues.ts';

/** The one place where an error becomes an HTTP answer: problem+json (RFC 9457) with the status of its code. */
export function sendError(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  log: (line: string) => void,
): void {
  drain(request);
  const known = fromFastify(error) ?? fromSystem(error, request, log) ?? toTidepoolError(error);
  const status = httpStatusOf(known);
  if (known.code === 'internal') log(`${request.method} ${request.url}: ${known.stack ?? known.message}`);
  const { retryAfterSeconds } = known.details;
  if (typeof retryAfterSeconds === 'number') reply.header('retry-after', retryAfterSeconds);
  const { sizeBytes } = known.details;
  if (status === 416 && typeof sizeBytes === 'number') reply.header('content-range', `bytes */${sizeBytes}`);
  if (status === 401) reply.header('www-authenticate', 'Bearer');
  void reply
    .code(status)
    .type('application/problem+json')
    .send(JSON.stringify(problemOf(known)));
}

/** Answers what is no HTTP, before there is a request. */
export function refuseNoHttp(error: Error, socket: Socket): void {
  if (!socket.writable || (error as NodeJS.ErrnoException).code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const body = JSON.stringify(problemOf(new TidepoolError('invalid', `this is no HTTP request: ${error.message}`)));
  const head = ['HTTP/1.1 400 Bad Request', 'Content-Type: application/problem+json', 'Connection: close'];
  socket.end([...head, `Content-Length: ${Buffer.byteLength(body)}`, '', body].join('\r\n'));
}

function problemOf(known: TidepoolError): Problem {
  return {
    type: 'about:blank',
    title: known.code,
    status: httpStatusOf(known),
    detail: known.code === 'internal' ? 'a mistake in the server; its log says more' : known.message,
    code: known.code,
    details: known.details,
  };
}

/**
 * Reads to nowhere what the asker still sends: on a connection with an unread body the next request would never be seen,
 * and many askers read the answer only when they have sent all.
 */
function drain({ raw }: FastifyRequest): void {
  if (raw.complete) return;
  raw.unpipe();
  raw.resume();
}

const randomName = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;

/**
 * A disk or a limit of our machine is in the way. The log says which file; the asker, who may be any user, does not learn where we
 * keep what.
 */
function fromSystem(error: unknown, request: FastifyRequest, log: (line: string) => void): TidepoolError | undefined {
  const fault = systemFault(error);
  if (fault === error || !(fault instanceof TidepoolError)) return undefined;
  // Without the names of drafts and the ids in the address: the log counts what repeats itself word for word.
  const where = `${request.method} ${request.routeOptions.url ?? request.url}`;
  log(`${where}: ${fault.message.replaceAll(randomName, '...')}`);
  const name = /\((E[A-Z0-9_]+)\)$/.exec(fault.message)?.[1] ?? '';
  const what = fault.code === 'exhausted' ? 'a disk of the server is full' : "the server's machine is in trouble";
  return new TidepoolError(fault.code, `${what} (${name}); its log says more`, {
    cause: error,
    details: fault.details,
  });
}

/** Fastify's own refusals (bad JSON, wrong content type, schema) as ours. */
function fromFastify(error: unknown): TidepoolError | undefined {
  if (error instanceof TidepoolError || !(error instanceof Error)) return undefined;
  if (hasZodFastifySchemaValidationErrors(error)) {
    const [first] = error.validation;
    const place = first?.instancePath.replaceAll('/', '.').replace(/^\./, '') || 'request';
    const { keyword = '', message = '', params = {} } = first ?? {};
    const issue = { ...params, code: keyword, message, path: [] } as unknown as Parameters<typeof issueWords>[0];
    return new TidepoolError('invalid', `${place}: ${issueWords(issue)}`, { cause: error });
  }
  const status = (error as FastifyError).statusCode;
  if (status === undefined || status >= 500) return undefined;
  if (status === 404) return new TidepoolError('not_found', error.message, { cause: error });
  if (status === 413) return new TidepoolError('too_large', error.message, { cause: error });
  return new TidepoolError('invalid', error.message, { cause: error });
}
