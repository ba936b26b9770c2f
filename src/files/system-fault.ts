import { TidepoolError } from '../domain/errors.ts';
import { fullDisk, isDiskFull } from './disk-full.ts';

/** Names of errors of the operating system, such as ENOENT; those of Node itself begin with ERR_. */
const systemName = /^E[A-Z0-9]+$/;
/** A cause of a cause of a cause: more than anything in Node wraps. */
const deepest = 4;

/**
 * Returns an error of the operating system, such as a path that cannot be made, a full disk, or a lack of descriptors, as an error
 * with a code: it is no mistake in Tidepool, so no trace helps. Everything else is returned as it is. The one place where such an
 * error gets its code, for the command line and for HTTP.
 */
export function systemFault(thrown: unknown): unknown {
  if (!(thrown instanceof Error) || thrown instanceof TidepoolError) return thrown;
  const found = systemError(thrown, deepest);
  if (found === undefined) return thrown;
  const { code, syscall, path } = found;
  // Node writes "CODE: reason, call 'path'".
  const reason = /^E[A-Z0-9]+: (.*?), /.exec(found.message)?.[1] ?? found.message;
  const what = path === undefined ? syscall : `${syscall} of ${path}`;
  const message = `${what} failed: ${reason} (${code})`;
  if (isDiskFull(found.error)) return fullDisk(message, thrown);
  return new TidepoolError('unavailable', message, { cause: thrown });
}

interface SystemError {
  readonly error: Error;
  readonly code: string;
  readonly syscall: string;
  readonly path: string | undefined;
  readonly message: string;
}

/** Finds the system's error in what was thrown: itself, what a call of `fs` says of it (ERR_FS_...), or its cause. */
function systemError(thrown: unknown, depth: number): SystemError | undefined {
  if (!(thrown instanceof Error) || thrown instanceof TidepoolError || depth === 0) return undefined;
  const { code, syscall, path, info } = thrown as NodeJS.ErrnoException & { readonly info?: NodeJS.ErrnoException };
  const { message } = thrown;
  if (code !== undefined && syscall !== undefined && systemName.test(code))
    return { error: thrown, code, syscall, path, message };
  if (code?.startsWith('ERR_FS_') === true) {
    const name = info?.code !== undefined && systemName.test(info.code) ? info.code : code;
    const error = Object.assign(new Error(message), { code: name });
    return { error, code: name, syscall: info?.syscall ?? syscall ?? 'a call', path: info?.path ?? path, message };
  }
  return systemError(thrown.cause, depth - 1);
}
