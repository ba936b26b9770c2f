import type { ReadStream, WriteStream } from 'node:tty';
import type { ApiClient } from '../cli/client.ts';
import { type Display, fullScreen } from '../cli/top/display.ts';
import { Feed, type TopClock } from '../cli/top/feed.ts';
import { plainLines } from '../cli/top/plain.ts';

/** Between two pictures, and between two lines where there is no terminal. */
const pictureMs = 500;
const lineMs = 5_000;

/** What the live graph needs of the process. */
export interface WatchHost {
  readonly stdin: ReadStream;
  readonly stdout: WriteStream;
  readonly clock: TopClock;
  readonly withColor: boolean;
  readonly signal: AbortSignal;
  connect(): Promise<{ client: ApiClient; server: string }>;
}

/** The live graph of all pools: the whole terminal, or a line a pool now and then. */
export class Watch {
  readonly #host: WatchHost;
  readonly #stopping = new AbortController();
  #display: Display | undefined;
  #note = '';
  #ended: Promise<void> | undefined;

  constructor(host: WatchHost) {
    this.#host = host;
  }

  /** @param onQuit called at q and Ctrl-C, which the terminal hands to us while it is drawn on */
  start(onQuit: () => void): void {
    this.#ended = this.#run(onQuit);
  }

  /** What is said beside the picture; written as a line where there is none. */
  say(text: string): void {
    this.#note = text;
    if (this.#display === undefined) this.#host.stdout.write(`${text}\n`);
  }

  /** Leaves the terminal as it was. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#ended?.catch(() => undefined);
    this.#display?.close();
    this.#display = undefined;
  }

  async #run(onQuit: () => void): Promise<void> {
    const { clock, connect, stdout } = this.#host;
    const signal = AbortSignal.any([this.#host.signal, this.#stopping.signal]);
    const show = (): void => this.#display?.show(feed.state, this.#note);
    const feed = new Feed({ connect, clock, signal, pool: undefined, onEvent: show });
    await feed.start();
    feed.follow();
    if (stdout.isTTY) this.#display = fullScreen(this.#host, onQuit, show);
    while (!signal.aborted) {
      await feed.poll();
      if (this.#display === undefined) stdout.write(`${plainLines(feed.state).join('\n')}\n`);
      else show();
      await clock.sleep(this.#display === undefined ? lineMs : pictureMs, signal).catch(() => undefined);
    }
  }
}
