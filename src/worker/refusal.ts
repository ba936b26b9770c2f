import { type ErrorCode, TidepoolError } from '../domain/errors.ts';
import { systemFault } from '../files/system-fault.ts';

/**
 * Codes that a later try would meet again: wrong credentials, a request that can never work. `conflict` is none of them, since the
 * server may still hold the link of an earlier process of this worker, and neither is `not_found`, as during an upgrade.
 */
const finalCodes: readonly ErrorCode[] = ['unauthenticated', 'forbidden', 'invalid'];

/**
 * Whether a worker ends with this error instead of trying again with backoff. Pure. A worker that ends loses its jobs, so whatever may
 * pass is tried again: trouble inside the server, a full disk, a broken connection. A mistake in the worker itself does not pass.
 */
export function isFinal(thrown: unknown): boolean {
  const error = systemFault(thrown);
  if (!(error instanceof TidepoolError)) return true;
  const isOfServer = error.details.status !== undefined;
  return finalCodes.includes(error.code) || (error.code === 'internal' && !isOfServer);
}
