import type { LoadClock } from '../loadgen/clock.ts';
import { Load } from '../loadgen/load.ts';
import type { Message } from '../loadgen/message.ts';
import type { ServerAddress } from '../loadgen/server.ts';
import type { Figures } from '../loadgen/tally.ts';
import type { LoadFigures, LoadView, LoadWish } from '../protocol/loads.ts';

export interface LoadRunOptions {
  readonly clock: LoadClock;
  readonly message: Message;
  /** What was asked for. */
  readonly wish: LoadWish;
  /** Where requests go now; asked once a second. */
  servers(): readonly ServerAddress[];
}

const tickMs = 1_000;
const limits = { timeoutMs: 10_000, mostInFlight: 500, lanesPerServer: 100, laneAgeMs: 5_000 };
const graceMs = 1_000;
/** Answers say by whom they are, and nobody vouches for them. */
const shownVms = 50;
const shownNameLength = 64;

/** One load for a service, from its start until its time is over or it is stopped. */
export class LoadRun {
  readonly #options: LoadRunOptions;
  readonly #load: Load;
  readonly #startedAtMs: number;
  #endsAtMs: number;
  #recent: LoadFigures;
  #cancelTick: () => void = () => undefined;
  #isOver = false;

  constructor(options: LoadRunOptions) {
    const { clock, message, wish } = options;
    this.#options = options;
    this.#startedAtMs = clock.now();
    this.#endsAtMs = this.#startedAtMs + wish.forMs;
    this.#load = new Load({ clock, message, ...limits });
    this.#load.setServers(options.servers());
    this.#load.setPace({ kind: 'every', everyMs: wish.everyMs });
    this.#recent = figuresOf(this.#load.takeRecent());
    this.#tick();
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  view(): LoadView {
    const { everyMs, path, payload = null } = this.#options.wish;
    return {
      state: this.#isOver ? 'ended' : 'running',
      ...{ everyMs, path, payload },
      startedAtMs: this.#startedAtMs,
      endsAtMs: this.#endsAtMs,
      inFlight: this.#load.inFlight,
      recent: this.#recent,
      total: figuresOf(this.#load.totals()),
    };
  }

  /** Makes no more requests and lets those under way a moment. Idempotent. */
  async stop(): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#cancelTick();
    this.#endsAtMs = Math.min(this.#endsAtMs, this.#options.clock.now());
    await this.#load.end(graceMs);
  }

  #tick(): void {
    const { clock, servers } = this.#options;
    const leftMs = this.#endsAtMs - clock.now();
    if (leftMs <= 0) {
      void this.stop();
      return;
    }
    this.#cancelTick = clock.after(Math.min(tickMs, leftMs), () => {
      this.#load.setServers(servers());
      this.#recent = figuresOf(this.#load.takeRecent());
      this.#tick();
    });
  }
}

function figuresOf({ seconds, ended, ok, latencyMs, servers }: Figures): LoadFigures {
  const vms = servers.slice(0, shownVms).map((server) => ({
    ...{ name: server.name.slice(0, shownNameLength), ended: server.ended, failed: server.failed },
    ...{ p50Ms: server.latencyMs.p50, p99Ms: server.latencyMs.p99 },
  }));
  return { seconds, ended, failed: ended - ok, p50Ms: latencyMs.p50, p99Ms: latencyMs.p99, vms };
}
