import { hasCode, TidepoolError, toTidepoolError } from '../../domain/errors.ts';
import type { EventView, UsageView } from '../../protocol/api.ts';
import type { ApiClient } from '../client.ts';
import { streamEvents } from '../events.ts';
import { type Answer, emptyState, keptSamples, newestStampMs, type TopState, withAnswer, withEvent } from './state.ts';

/** Time as `top` needs it; the CLI does not know the server's Clock. */
export interface TopClock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Resolves after `ms`; rejects with code `aborted` when the signal fires first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export interface FeedOptions {
  /** The server, found anew: after a restart it may be at another port. */
  connect(): Promise<{ client: ApiClient; server: string }>;
  readonly clock: TopClock;
  readonly signal: AbortSignal;
  /** Only this pool. */
  readonly pool: string | undefined;
  onEvent(event: EventView): void;
}

const answerWithinMs = 5_000;
const eventPauseMs = 500;
const firstEvents = 50;
const keptLeads = 60;
/** Waiting does not help against these. */
const fatalCodes = ['unauthenticated', 'forbidden', 'invalid', 'not_found'] as const;

/** What a server tells, kept up to date through its restarts. */
export class Feed {
  state: TopState;
  readonly #options: FeedOptions;
  #client: ApiClient | undefined;
  /** Only samples after this are asked for. */
  #sampledUntilMs = 0;
  /** How far the newest stamps of the last answers were before our time; behind it they are less than zero. */
  #leadsMs: number[] = [];
  #lastEventId = 0;

  constructor(options: FeedOptions) {
    this.#options = options;
    this.state = emptyState('', options.clock.now());
  }

  /** The first answer. Errors: whatever keeps the server from answering. */
  async start(): Promise<Answer> {
    const { clock, pool } = this.#options;
    const client = await this.#connected();
    if (pool !== undefined) await client.pool(pool);
    this.#sampledUntilMs = clock.now() - keptSamples * 1_000;
    for (const event of await client.events(firstEvents)) this.#take(event);
    return this.#ask();
  }

  /** Tells of events from the start on. To be called once, when who hears of them is ready. */
  follow(): void {
    void this.#followEvents().catch((error: unknown) => {
      if (!this.#options.signal.aborted) this.#failed(toTidepoolError(error));
    });
  }

  /** The newest answer; undefined when there is none, and then the state says why. Errors: no access any more. */
  async poll(): Promise<Answer | undefined> {
    const wasLost = this.state.trouble !== null;
    try {
      if (wasLost) this.#client = undefined;
      return await this.#ask();
    } catch (error) {
      const { clock, signal } = this.#options;
      if (signal.aborted) return undefined;
      const known = toTidepoolError(error);
      if (!wasLost && fatalCodes.some((code) => hasCode(known, code))) throw known;
      this.#failed(known);
      this.state = { ...this.state, nowMs: this.#serverTime(undefined, clock.now()) };
      return undefined;
    }
  }

  async #ask(): Promise<Answer> {
    const { clock, pool } = this.#options;
    const answer = await this.#inTime(async () => {
      const client = await this.#connected();
      const [{ pools, queuedJobs }, usage] = await Promise.all([client.pools(), client.usage(this.#sampledUntilMs)]);
      const isShown = (name: string): boolean => pool === undefined || name === pool;
      return {
        pools: pools.filter(({ name }) => isShown(name)),
        usage: usage.filter((vm) => isShown(vm.pool)),
        queued: queuedJobs,
      };
    });
    this.#sampledUntilMs = newestSampleMs(answer.usage) ?? this.#sampledUntilMs;
    this.state = withAnswer(this.state, answer, this.#serverTime(newestStampMs(answer), clock.now()));
    return answer;
  }

  async #connected(): Promise<ApiClient> {
    if (this.#client !== undefined) return this.#client;
    const { client, server } = await this.#options.connect();
    this.#client = client;
    this.state = { ...this.state, server };
    return client;
  }

  /** Resolves or rejects within the limit, also when the server holds the connection and says nothing. */
  async #inTime<T>(work: () => Promise<T>): Promise<T> {
    const { clock, signal } = this.#options;
    const done = new AbortController();
    const limit = clock.sleep(answerWithinMs, AbortSignal.any([signal, done.signal])).then(() => {
      throw new TidepoolError('timeout', `the server has not answered for ${answerWithinMs / 1_000} s`);
    });
    try {
      return await Promise.race([work(), limit]);
    } finally {
      done.abort();
      limit.catch(() => undefined);
    }
  }

  async #followEvents(): Promise<void> {
    const { clock, signal } = this.#options;
    while (!signal.aborted) {
      try {
        const client = await this.#connected();
        for await (const event of streamEvents(client, this.#lastEventId, signal)) this.#take(event);
      } catch (error) {
        if (signal.aborted) return;
        // The next answer, or the lack of one, says what is wrong; events are asked for again after the last.
        if (this.state.trouble === null) this.#failed(toTidepoolError(error));
      }
      await clock.sleep(eventPauseMs, signal).catch(() => undefined);
    }
  }

  #take(event: EventView): void {
    this.#lastEventId = event.id;
    if (this.#options.pool !== undefined && event.pool !== this.#options.pool) return;
    this.state = withEvent(this.state, event);
    this.#options.onEvent(event);
  }

  #failed(error: TidepoolError): void {
    this.state = { ...this.state, trouble: error.message };
  }

  /** The server's time, which may be another than ours: no stamp of its is from its future, and some are quite new. */
  #serverTime(stampMs: number | undefined, nowMs: number): number {
    if (stampMs !== undefined) this.#leadsMs = [...this.#leadsMs, stampMs - nowMs].slice(-keptLeads);
    return this.#leadsMs.length === 0 ? nowMs : nowMs + Math.max(...this.#leadsMs);
  }
}

function newestSampleMs(usage: readonly UsageView[]): number | undefined {
  const stamps = usage.flatMap((vm) => vm.samples.at(-1)?.atMs ?? []);
  return stamps.length === 0 ? undefined : Math.max(...stamps);
}
