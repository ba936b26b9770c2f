import { TidepoolError } from '../domain/errors.ts';
import type { LoadClock } from '../loadgen/clock.ts';
import { type MessageSpec, messageOf } from '../loadgen/message.ts';
import type { ServerAddress } from '../loadgen/server.ts';
import type { LoadView, LoadWish } from '../protocol/loads.ts';
import { LoadRun } from './load-run.ts';

/** What load is made for. */
export interface LoadTarget {
  readonly service: string;
  readonly protocol: MessageSpec['protocol'];
  servers(): readonly ServerAddress[];
}

export interface LoadRunsOptions {
  /** One that does not step; timers do not keep the process. */
  readonly clock: LoadClock;
  /** Loads that may run at the same time. */
  readonly mostAtATime: number;
}

/** What has ended is shown until there are so many. */
const mostRemembered = 100;

/** The loads that this server makes, at most one for a service. */
export class LoadRuns {
  readonly #options: LoadRunsOptions;
  readonly #runs = new Map<string, LoadRun>();

  constructor(options: LoadRunsOptions) {
    this.#options = options;
  }

  /**
   * Begins load, in place of what there was for the service. Errors: `invalid` for what cannot be sent, `exhausted` when
   * others run already.
   */
  start({ service, protocol, servers }: LoadTarget, wish: LoadWish): LoadView {
    const message = messageOf(messageSpec(protocol, wish));
    const { clock, mostAtATime } = this.#options;
    const others = [...this.#runs].filter(([name, run]) => name !== service && !run.isOver);
    if (others.length >= mostAtATime)
      throw new TidepoolError('exhausted', `load is made for ${others.length} services already, and no more at a time`);
    void this.#runs.get(service)?.stop();
    this.#runs.delete(service);
    this.#forget();
    const run = new LoadRun({ clock, message, wish, servers });
    this.#runs.set(service, run);
    return run.view();
  }

  /** Null: there was none. */
  view(service: string): LoadView | null {
    return this.#runs.get(service)?.view() ?? null;
  }

  /** Idempotent. */
  async stop(service: string): Promise<void> {
    await this.#runs.get(service)?.stop();
  }

  /** Stops all. */
  async close(): Promise<void> {
    await Promise.all([...this.#runs.values()].map((run) => run.stop()));
  }

  #forget(): void {
    for (const [name, run] of this.#runs) {
      if (this.#runs.size < mostRemembered) return;
      if (run.isOver) this.#runs.delete(name);
    }
  }
}

function messageSpec(protocol: MessageSpec['protocol'], { path, payload }: LoadWish): MessageSpec {
  if (protocol === 'http') {
    if (payload === undefined) return { protocol, path };
    throw new TidepoolError('invalid', 'payload is for tcp and udp services; this one speaks http: path');
  }
  return { protocol, ...(payload === undefined ? {} : { payload }) };
}
