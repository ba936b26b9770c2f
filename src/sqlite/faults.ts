import { TidepoolError } from '../domain/errors.ts';
import { fullDisk, isDiskFull } from '../files/disk-full.ts';

/** Primary result codes of SQLite (https://sqlite.org/rescode.html) that are faults of the disk or of the file. */
const codes = { readonly: 8, ioError: 10, corrupt: 11, full: 13, cannotOpen: 14, notDatabase: 26 } as const;

/** Extended codes carry the primary code in their lowest byte. */
function primaryCode(error: unknown): number | undefined {
  const { errcode } = error as { errcode?: unknown };
  return typeof errcode === 'number' ? errcode & 0xff : undefined;
}

/**
 * Returns an error of SQLite as an error with a code: `exhausted` for a full disk, `unavailable` for a disk that cannot
 * be read or written, `internal` for a damaged file. Everything else, such as a violated constraint, stays as it is.
 */
export function databaseFault(cause: unknown): unknown {
  const text = cause instanceof Error ? cause.message : String(cause);
  switch (primaryCode(cause)) {
    case codes.full:
      return new TidepoolError('exhausted', `the disk of the database is full (${text}); make room on it`, {
        cause,
        details: { isDiskFull: true },
      });
    case codes.readonly:
    case codes.ioError:
    case codes.cannotOpen:
      return new TidepoolError('unavailable', `the disk of the database cannot be used: ${text}; see to that disk`, {
        cause,
      });
    case codes.corrupt:
    case codes.notDatabase:
      return new TidepoolError('internal', `the database is damaged: ${text}; restore a backup (docs/backup.md)`, {
        cause,
      });
    default:
      return cause;
  }
}

/** Runs a call of SQLite; its errors are those of `databaseFault`. */
export function withFaults<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw databaseFault(error);
  }
}

/** Returns the error with which a database cannot be opened, with its path. */
export function openError(path: string, thrown: unknown): TidepoolError {
  if (isDiskFull(thrown)) return fullDisk(`the disk of the database ${path} is full; make room on it`, thrown);
  const cause = databaseFault(thrown);
  if (cause instanceof TidepoolError && cause.code !== 'internal') return cause;
  const message = cause instanceof Error ? cause.message : String(cause);
  if (/locked|busy/i.test(message)) {
    return new TidepoolError(
      'conflict',
      `another server has the data folder of ${path} open; stop it, or take another --data-dir`,
      {
        cause,
      },
    );
  }
  const code = cause instanceof TidepoolError ? 'conflict' : 'internal';
  return new TidepoolError(code, `cannot open the database ${path}: ${message}`, { cause });
}
