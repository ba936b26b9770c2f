import type { ServiceReport, ServiceSpec } from '../../protocol/agent-service.ts';
import type { Listening } from './listening.ts';
import type { HandlerStatus } from './status-file.ts';

/** Starting may take so long, under emulation with a large library. */
export const startLimitMs = 60_000;

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
export function judge(sight: Sight): Pick<ServiceReport, 'state' | 'message' | 'traceback'> {
  const { status, listening } = sight;
  const message = status?.message ?? '';
  const traceback = status?.traceback ?? '';
  if (status?.state === 'failed') return { state: 'failed', message: message || 'its handler failed', traceback };
  const isUp = sight.kind === 'command' || status?.state === 'serving';
  if (isUp && listening === 'yes') return { state: 'serving', message, traceback };
  if (sight.idleMs < startLimitMs) return { state: 'starting', message: message || hint(sight), traceback };
  const late = hint(sight) || message || `it did not listen on port ${sight.port} ($PORT)`;
  return { state: 'failed', message: `${late}, for ${startLimitMs / 1000} s`, traceback };
}

function hint({ listening, port }: Sight): string {
  if (listening !== 'loopback') return '';
  return `it listens on port ${port} of the loopback address only; to be reached it must listen on 0.0.0.0`;
}
