import type { AgentLink } from '../domain/agent-link.ts';
import type { Clock } from '../domain/clock.ts';
import type { Store } from '../domain/store.ts';
import type { WorkerTunnels } from '../domain/worker.ts';
import type { Changes } from '../reconcile/changes.ts';

/** What looking after joined workers works with. */
export interface JoinedContext {
  readonly store: Pick<Store, 'vms' | 'events'>;
  readonly link: AgentLink;
  readonly tunnels: WorkerTunnels;
  readonly clock: Clock;
  /** Topics: `vms`, `queue`. */
  readonly changes: Changes;
  log(message: string): void;
}
