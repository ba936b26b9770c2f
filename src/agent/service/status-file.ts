import type { ServiceState } from '../../protocol/agent-service.ts';
import { readHead } from '../read-head.ts';

/** What a handler's server tells about itself. */
export interface HandlerStatus {
  readonly state: ServiceState;
  readonly message: string;
  readonly traceback: string;
  readonly restarts: number;
  readonly inFlight: number;
  readonly requests: number;
  readonly errors: number;
}

const maxFileBytes = 128 * 1024;
export const maxMessageChars = 1_000;
/** In UTF-8, as the protocol has it. */
export const maxTracebackBytes = 16 * 1024;

/**
 * Reads the status file of a handler's container. The handler can put anything there, so whatever is not as it should be is
 * as if it was not there: undefined.
 */
export async function readStatus(path: string): Promise<HandlerStatus | undefined> {
  try {
    return parseStatus(await readHead(path, maxFileBytes));
  } catch {
    return undefined;
  }
}

/** Undefined when the text is no status. */
export function parseStatus(text: string): HandlerStatus | undefined {
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null) return undefined;
  const { state, message, traceback, restarts, inFlight, requests, errors } = value as Record<string, unknown>;
  if (state !== 'starting' && state !== 'serving' && state !== 'failed') return undefined;
  return {
    state,
    message: typeof message === 'string' ? message.slice(0, maxMessageChars) : '',
    traceback: typeof traceback === 'string' ? lastBytes(traceback, maxTracebackBytes) : '',
    restarts: countOf(restarts),
    inFlight: countOf(inFlight),
    requests: countOf(requests),
    errors: countOf(errors),
  };
}

function countOf(value: unknown): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : 0;
}

/** The end of a text: of a traceback it says what went wrong. */
export function lastBytes(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= maxBytes) return text;
  // A character that was cut in two makes one to three marks of replacement, which may be longer than its rest.
  return bytes
    .subarray(-(maxBytes - 8))
    .toString()
    .replace(/^\ufffd+/, '');
}
