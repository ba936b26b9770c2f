import type { LoadRequest } from '../../loadgen/request.ts';
import type { ApiClient } from '../client.ts';
import { Feed, type TopClock } from '../top/feed.ts';
import { Recorder } from '../top/recorder.ts';
import { RequestColumns } from './request-columns.ts';

export interface RecordsOptions {
  readonly path: string;
  readonly service: string;
  readonly clock: TopClock;
  readonly signal: AbortSignal;
  connect(): Promise<{ client: ApiClient; server: string }>;
}

const intervalMs = 1_000;

/** Writes a recording: what `top` writes of the service's pool, and each request of the load. */
export class Records {
  readonly #feed: Feed;
  readonly #recorder: Recorder;
  readonly #columns: RequestColumns;
  readonly #clock: TopClock;

  private constructor(feed: Feed, recorder: Recorder, columns: RequestColumns, clock: TopClock) {
    this.#feed = feed;
    this.#recorder = recorder;
    this.#columns = columns;
    this.#clock = clock;
  }

  /** Errors: as Recorder, and whatever keeps the server from answering. */
  static async open({ path, service, clock, signal, connect }: RecordsOptions): Promise<Records> {
    let recorder: Recorder | undefined;
    const feed = new Feed({ connect, clock, signal, pool: service, onEvent: (event) => recorder?.event(event) });
    const first = await feed.start();
    const { server, nowMs: atMs } = feed.state;
    recorder = await Recorder.open(path, { atMs, server, intervalMs }, first);
    feed.follow();
    return new Records(feed, recorder, new RequestColumns(service), clock);
  }

  get note(): string {
    return this.#recorder.note;
  }

  request(request: LoadRequest): void {
    this.#columns.add(request);
  }

  /** What has happened since the last call. Errors: `exhausted`. */
  async write(): Promise<void> {
    const answer = await this.#feed.poll();
    this.#recorder.add(this.#columns.take(this.#clock.now()));
    await this.#recorder.write(answer, this.#feed.state.nowMs);
  }

  async close(): Promise<void> {
    this.#recorder.add(this.#columns.take(this.#clock.now()));
    await this.#recorder.close();
  }
}
