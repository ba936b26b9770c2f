import type { ServiceReport, ServiceSpec } from '../../protocol/agent-service.ts';
import type { Listening } from './listening.ts';
import type { HandlerStatus } from './status-file.ts';

/** Starting may take so long, under emulation with a large library. */
export const startLimitMs = 60_000;

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
}

/** What that means. Pure. */
export function judge(sight: Sight): Verdict {
  const { status, listening } = sight;
  const message = status?.message ?? '';
  const traceback = status?.traceback ?? '';
  if (status?.state === 'failed') return { state: 'failed', message: message || 'its handler failed', traceback };
  const isUp = sight.kind === 'command' || status?.state === 'serving';
  if (isUp && listening === 'yes') return { state: 'serving', message, traceback };
  if (sight.idleMs < startLimitMs) return { state: 'starting', message, traceback };
  return { state: 'failed', message: `${tooLate(sight, isUp)}, for ${startLimitMs / 1000} s`, traceback };
}

function tooLate({ listening, port }: Sight, isUp: boolean): string {
  if (!isUp) return 'its handler was being imported';
  if (listening === 'no') return `it did not listen on port ${port} ($PORT)`;
  return `it listened on port ${port} of the loopback address only, where it cannot be reached; 0.0.0.0 is right`;
}
