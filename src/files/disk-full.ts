import { TidepoolError } from '../domain/errors.ts';

/** Returns whether the operating system says by this error that a disk, or the quota on one, is full. */
export function isDiskFull(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : '';
  return code === 'ENOSPC' || code === 'EDQUOT';
}

/** Returns an error `exhausted` that says that a disk is full (HTTP status 507). */
export function fullDisk(message: string, cause?: unknown): TidepoolError {
  return new TidepoolError('exhausted', message, { cause, details: { isDiskFull: true } });
}
