import type { ReadStream, WriteStream } from 'node:tty';
import { TidepoolError } from '../domain/errors.ts';
import type { ApiClient } from './client.ts';
import { type Display, fullScreen, plainDisplay } from './top/display.ts';
import { Feed, type TopClock } from './top/feed.ts';
import { Recorder } from './top/recorder.ts';
import { parseDuration } from './units.ts';

/** Options of `tidepool top` as the command line has them. */
export interface TopOptions {
  readonly pool?: string;
  /** A recording to write, or to append to. */
  readonly record?: string;
  readonly interval: string;
  /** Ends after this time; without it at `q` or Ctrl-C. */
  readonly for?: string;
  readonly plain?: boolean;
}

/** What `top` needs of the process that it runs in. */
export interface TopHost {
  readonly stdin: ReadStream;
  readonly stdout: WriteStream;
  readonly clock: TopClock;
  readonly withColor: boolean;
  /** The server, found anew each time. */
  connect(): Promise<{ client: ApiClient; server: string }>;
  /** Fires at Ctrl-C. */
  readonly signal: AbortSignal;
  /** Called at the end of the process whatever its reason, so that the terminal is as it was. */
  atExit(restore: () => void): void;
}

const leastIntervalMs = 200;
const mostIntervalMs = 60_000;

/** `tidepool top`: what the cloud does, live, and a recording of it if wanted. */
export async function top(host: TopHost, options: TopOptions): Promise<void> {
  const intervalMs = parseInterval(options.interval);
  const forMs = options.for === undefined ? undefined : parseDuration(options.for);
  const quit = new AbortController();
  try {
    await follow(host, options, { intervalMs, forMs }, quit);
  } finally {
    // Else the stream of events would keep the process alive.
    quit.abort();
  }
}

function parseInterval(text: string): number {
  const intervalMs = parseDuration(text);
  if (intervalMs >= leastIntervalMs && intervalMs <= mostIntervalMs) return intervalMs;
  throw new TidepoolError('invalid', `--interval ${text} is not between 200ms and 60s`);
}

interface Times {
  readonly intervalMs: number;
  readonly forMs: number | undefined;
}

async function follow(host: TopHost, options: TopOptions, times: Times, quit: AbortController): Promise<void> {
  const { clock, connect } = host;
  const signal = AbortSignal.any([host.signal, quit.signal]);
  let recorder: Recorder | undefined;
  let display: Display | undefined;
  const refresh = (): void => display?.refresh(feed.state, recorder?.note ?? '');
  const feed = new Feed({
    connect,
    clock,
    signal,
    pool: options.pool,
    onEvent(event) {
      recorder?.event(event);
      refresh();
    },
  });
  const first = await feed.start();
  const { server, nowMs: atMs } = feed.state;
  if (options.record !== undefined) {
    recorder = await Recorder.open(options.record, { atMs, server, intervalMs: times.intervalMs }, first);
  }
  feed.follow();
  try {
    const isPlain = options.plain === true || !host.stdout.isTTY;
    display = isPlain ? plainDisplay(host.stdout) : fullScreen(host, () => quit.abort(), refresh);
    host.atExit(display.close);
    await eachInterval(host, times, signal, async (isFirst) => {
      const answer = isFirst ? undefined : await feed.poll();
      await recorder?.write(answer, feed.state.nowMs);
      if (!signal.aborted) display?.show(feed.state, recorder?.note ?? '');
    });
  } finally {
    display?.close();
    await recorder?.close();
  }
}

/** At once, after each interval, and at the end of the time. What takes longer than an interval is not made up for. */
async function eachInterval(
  { clock }: TopHost,
  { intervalMs, forMs }: Times,
  signal: AbortSignal,
  step: (isFirst: boolean) => Promise<void>,
): Promise<void> {
  let dueMs = clock.now();
  const endMs = forMs === undefined ? Number.POSITIVE_INFINITY : dueMs + forMs;
  await step(true);
  while (!signal.aborted && clock.now() < endMs) {
    dueMs = Math.max(dueMs + intervalMs, clock.now());
    await clock.sleep(Math.min(dueMs, endMs) - clock.now(), signal).catch(() => undefined);
    if (!signal.aborted) await step(false);
  }
}
