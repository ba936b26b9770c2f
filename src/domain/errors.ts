/**
 * The one error type of Tidepool and its closed set of codes.
 *
 * Each code maps to exactly one HTTP status and one process exit code (sysexits.h where one fits), here and
 * nowhere else. A message says what happened, to what, and what to do.
 */

export const errorCodes = {
  /** The caller sent something that can never work: bad option, bad file, bad limits. */
  invalid: { httpStatus: 400, exitCode: 2 },
  /** No credentials, or wrong ones. */
  unauthenticated: { httpStatus: 401, exitCode: 77 },
  /** Known caller, not allowed. */
  forbidden: { httpStatus: 403, exitCode: 77 },
  not_found: { httpStatus: 404, exitCode: 66 },
  /** The action does not fit the state that the thing is in. */
  conflict: { httpStatus: 409, exitCode: 65 },
  /** A part was asked for that is not there: of a file, behind its end. */
  out_of_range: { httpStatus: 416, exitCode: 2 },
  /** A size, count or ratio limit was passed. */
  too_large: { httpStatus: 413, exitCode: 2 },
  /** A queue, pool, host or disk is full. Trying later may work. Of a disk the status is 507 (httpStatusOf). */
  exhausted: { httpStatus: 429, exitCode: 75 },
  /** A peer (libvirtd, an agent, the server) cannot be reached, or the connection was lost. */
  unavailable: { httpStatus: 503, exitCode: 69 },
  /** A deadline passed. */
  timeout: { httpStatus: 504, exitCode: 75 },
  /** A peer answered what it should not, or refused an operation for a reason of its own. */
  upstream: { httpStatus: 502, exitCode: 76 },
  /** The caller gave up (AbortSignal). */
  aborted: { httpStatus: 499, exitCode: 130 },
  /** A mistake in Tidepool itself. */
  internal: { httpStatus: 500, exitCode: 70 },
} as const;

export type ErrorCode = keyof typeof errorCodes;

/** Facts about an error that a program may read, beside the message for a person. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean | null>>;

/** An error with a code of the table above. */
export class TidepoolError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; details?: ErrorDetails } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'TidepoolError';
    this.code = code;
    this.details = options.details ?? {};
  }
}

/** Returns the HTTP status of an error: that of its code, but 507 when a disk is full, since then no pause of the caller helps. */
export function httpStatusOf({ code, details }: Pick<TidepoolError, 'code' | 'details'>): number {
  return code === 'exhausted' && details.isDiskFull === true ? 507 : errorCodes[code].httpStatus;
}

/** Any thrown value as a TidepoolError; what is not one already becomes `internal`, with the original as cause. */
export function toTidepoolError(thrown: unknown): TidepoolError {
  if (thrown instanceof TidepoolError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new TidepoolError('internal', message, { cause: thrown });
}

/** Whether something thrown is a TidepoolError of this code. */
export function hasCode(thrown: unknown, code: ErrorCode): thrown is TidepoolError {
  return thrown instanceof TidepoolError && thrown.code === code;
}
