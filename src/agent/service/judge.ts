import type { ServiceReport, ServiceSpec } from '../../protocol/agent-service.ts';
import type { Listening } from './listening.ts';
import type { HandlerStatus } from './status-file.ts';

/** How long starting may take. */
export const startLimitMs = 60_000;
/** How long it may take while it computes: a large library, an emulated CPU, or a host that has too much to do. */
export const busyStartLimitMs = 240_000;
/** Share of a CPU with which a container counts as computing. */
const busyShare = 0.2;

/** What is told of a service. */
export type Verdict = Pick<ServiceReport, 'state' | 'message' | 'traceback'>;

/** What is seen of a service's container. */
export interface Sight {
  readonly kind: ServiceSpec['entry']['kind'];
  readonly port: number;
  readonly listening: Listening;
  /** What the handler's server says; of a command there is nothing. */
  readonly status: HandlerStatus | undefined;
  /** For how long it has not served. */
  readonly idleMs: number;
  /** CPU time that its container used in that time. */
  readonly cpuMs: number;
}

/** What that means. Pure. */
export function judge(sight: Sight): Verdict {
  const { status, listening } = sight;
  const message = status?.message ?? '';
  const traceback = status?.traceback ?? '';
  if (status?.state === 'failed') return { state: 'failed', message: message || 'its handler failed', traceback };
  const isUp = sight.kind === 'command' || status?.state === 'serving';
  if (isUp && listening === 'yes') return { state: 'serving', message, traceback };
  const limitMs = sight.cpuMs > sight.idleMs * busyShare ? busyStartLimitMs : startLimitMs;
  if (sight.idleMs < limitMs) return { state: 'starting', message, traceback };
  return { state: 'failed', message: `${tooLate(sight, isUp)}, for ${Math.floor(sight.idleMs / 1000)} s`, traceback };
}

function tooLate({ listening, port }: Sight, isUp: boolean): string {
  if (!isUp) return 'its handler was being imported';
  if (listening === 'no') return `it did not listen on port ${port} ($PORT)`;
  return `it listened on port ${port} of the loopback address only, where it cannot be reached; 0.0.0.0 is right`;
}
