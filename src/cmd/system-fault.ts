import { TidepoolError } from '../domain/errors.ts';
import { fullDisk, isDiskFull } from '../files/disk-full.ts';

/**
 * Returns an error of the operating system, such as a path that cannot be made or a full disk, as an error with a code: it is no
 * mistake in Tidepool, so no trace helps. Everything else is returned as it is.
 */
export function systemFault(thrown: unknown): unknown {
  if (!(thrown instanceof Error) || thrown instanceof TidepoolError) return thrown;
  const { code, syscall, path } = thrown as NodeJS.ErrnoException;
  if (code === undefined || syscall === undefined || !/^E[A-Z0-9]+$/.test(code)) return thrown;
  // Node writes "CODE: reason, call 'path'".
  const reason = /^E[A-Z0-9]+: (.*?), /.exec(thrown.message)?.[1] ?? thrown.message;
  const what = path === undefined ? syscall : `${syscall} of ${path}`;
  const message = `${what} failed: ${reason} (${code})`;
  if (isDiskFull(thrown)) return fullDisk(message, thrown);
  return new TidepoolError('unavailable', message, { cause: thrown });
}
