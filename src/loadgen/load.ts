import type { RequestOutcome } from '../protocol/recording.ts';
import type { LoadClock } from './clock.ts';
import { Dispatcher, type DispatcherOptions } from './dispatcher.ts';
import type { Message } from './message.ts';
import { type LoadRequest, newRequest } from './request.ts';
import { Schedule } from './schedule.ts';
import type { ServerAddress } from './server.ts';
import { type Figures, Tally, type Totals } from './tally.ts';

/** How requests are made. */
export type Pace =
  | { readonly kind: 'off' }
  /** Open loop: one each `everyMs`, whatever becomes of those before. */
  | { readonly kind: 'every'; readonly everyMs: number }
  /** Closed loop: so many at a time, each followed by the next as soon as it has ended. */
  | { readonly kind: 'max'; readonly connections: number };

/** Limits of a load. */
export type LoadLimits = Pick<DispatcherOptions, 'timeoutMs' | 'mostInFlight' | 'lanesPerServer' | 'laneAgeMs'>;

export interface LoadOptions extends LoadLimits {
  readonly clock: LoadClock;
  readonly message: Message;
  /** Each request when it has ended. The object is not used again. */
  onEnd?(request: LoadRequest): void;
}

/** In a closed loop a server that refuses is not asked as fast as it refuses. */
const pauseAfterFailureMs = 100;
const unanswered: readonly RequestOutcome[] = ['connect', 'reset', 'bad answer', 'no server', 'dropped'];

/** Generates load and measures how it is answered. */
export class Load {
  readonly #options: LoadOptions;
  readonly #dispatcher: Dispatcher;
  readonly #tally: Tally;
  #pace: Pace = { kind: 'off' };
  #schedule: Schedule | undefined;
  #cancelTick: () => void = () => undefined;
  #number = 0;
  /** Closed loop: requests that are under way, and pauses after failures. */
  #slots = 0;

  constructor(options: LoadOptions) {
    const { clock, message } = options;
    this.#options = options;
    this.#tally = new Tally(clock.now());
    this.#dispatcher = new Dispatcher({ ...options, ...message, onEnd: (request) => this.#ended(request) });
  }

  get pace(): Pace {
    return this.#pace;
  }

  get inFlight(): number {
    return this.#dispatcher.inFlight;
  }

  get servers(): readonly ServerAddress[] {
    return this.#dispatcher.servers;
  }

  /** Makes requests in another way from now on; those under way are not touched. */
  setPace(pace: Pace): void {
    const { clock } = this.#options;
    this.#cancelTick();
    this.#pace = pace;
    this.#schedule = undefined;
    if (pace.kind === 'every') {
      this.#schedule = new Schedule(clock.now(), pace.everyMs);
      this.#tick(this.#schedule);
    }
    if (pace.kind === 'max') while (this.#slots < pace.connections) this.#fillSlot();
  }

  /** Makes these (at most `mostServers`) the servers; those that are among them already stay as they are. */
  setServers(servers: readonly ServerAddress[]): void {
    const isWanted = ({ host, port }: ServerAddress) => servers.some((one) => one.host === host && one.port === port);
    for (const server of this.servers.filter((one) => !isWanted(one))) this.#dispatcher.remove(server);
    for (const server of servers) this.#dispatcher.add(server);
  }

  /** What happened since the last call. */
  takeRecent(): Figures {
    return this.#tally.takeRecent(this.#options.clock.now());
  }

  totals(): Totals {
    return this.#tally.totals(this.#options.clock.now());
  }

  /**
   * Makes no more requests, waits for those under way, at most `graceMs`, and closes all connections. What has not ended
   * by then is left out of the counts and stays in `inFlight`.
   */
  async end(graceMs: number): Promise<void> {
    this.setPace({ kind: 'off' });
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#options.clock.after(graceMs, resolve);
    await Promise.race([this.#dispatcher.idle(), promise]);
    cancel();
    this.#dispatcher.close();
  }

  /** Sends what is due, however long ago. */
  #tick(schedule: Schedule): void {
    const { clock } = this.#options;
    const nowMs = clock.now();
    while (schedule.nextMs <= nowMs) {
      const dueMs = schedule.take();
      this.#tally.sent(nowMs - dueMs);
      this.#send(dueMs, false);
    }
    this.#cancelTick = clock.after(schedule.nextMs - nowMs, () => this.#tick(schedule));
  }

  #send(dueMs: number, isInLoop: boolean): void {
    this.#number += 1;
    this.#dispatcher.submit(newRequest(this.#number, dueMs, isInLoop));
  }

  #fillSlot(): void {
    this.#slots += 1;
    this.#send(this.#options.clock.now(), true);
  }

  #ended(request: LoadRequest): void {
    this.#tally.ended(request);
    this.#options.onEnd?.(request);
    if (!request.isInLoop) return;
    if (unanswered.includes(request.outcome)) this.#options.clock.after(pauseAfterFailureMs, () => this.#refillSlot());
    else this.#refillSlot();
  }

  #refillSlot(): void {
    this.#slots -= 1;
    if (this.#pace.kind === 'max' && this.#slots < this.#pace.connections) this.#fillSlot();
  }
}
