import type { ReadStream, WriteStream } from 'node:tty';
import { TidepoolError } from '../domain/errors.ts';
import type { EventView } from '../protocol/api.ts';
import type { RecordingLine } from '../protocol/recording.ts';
import type { ApiClient } from './client.ts';
import { RecordingFile } from './recording.ts';
import { Feed, type TopClock } from './top/feed.ts';
import { frame } from './top/frame.ts';
import { plainLines } from './top/plain.ts';
import { eventLine, firstDecisionLines, sampleLines } from './top/record.ts';
import { Screen } from './top/screen.ts';
import type { Answer, TopState } from './top/state.ts';
import { formatSize, parseDuration } from './units.ts';

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
/** Lines that wait for the next write. */
const mostPendingLines = 10_000;
const keys = {
  quit: ['q', 'Q', '\x03', '\x04'],
  next: ['\t', '\x1b[B', '\x1b[C', 'n'],
  back: ['\x1b[Z', '\x1b[A', '\x1b[D', 'p'],
};

/** How it is shown. */
interface Display {
  show(state: TopState, note: string): void;
  close(): void;
}

/** `tidepool top`: what the cloud does, live, and a recording of it if wanted. */
export async function top(host: TopHost, options: TopOptions): Promise<void> {
  const intervalMs = parseInterval(options.interval);
  const endAtMs = options.for === undefined ? undefined : host.clock.now() + parseDuration(options.for);
  const quit = new AbortController();
  const signal = AbortSignal.any([host.signal, quit.signal]);
  const pending: RecordingLine[] = [];
  let hasStarted = false;
  let redraw = (): void => undefined;
  const onEvent = (event: EventView): void => {
    // The events before the start are shown, but are no part of the recording.
    if (hasStarted && options.record !== undefined && pending.length < mostPendingLines) pending.push(eventLine(event));
    redraw();
  };
  const feed = new Feed({ connect: host.connect, clock: host.clock, signal, pool: options.pool, onEvent });
  const first = await feed.start();
  hasStarted = true;
  const { server, nowMs: atMs } = feed.state;
  const recording =
    options.record === undefined ? undefined : await RecordingFile.open(options.record, { atMs, server, intervalMs });
  const display =
    options.plain || !host.stdout.isTTY ? plainDisplay(host.stdout) : fullScreen(host, quit, () => redraw());
  const note = (): string =>
    recording === undefined ? '' : `recording to ${options.record} (${formatSize(recording.sizeBytes)})`;
  if (!options.plain && host.stdout.isTTY) redraw = () => display.show(feed.state, note());
  try {
    await recording?.append(firstDecisionLines(first));
    let answer: Answer | undefined = withoutHistory(first, atMs - intervalMs);
    for (let dueMs = host.clock.now(); ; answer = await feed.poll()) {
      const lines = answer === undefined ? [] : sampleLines(answer, feed.state.nowMs);
      await recording?.append([...lines, ...pending.splice(0)]);
      if (signal.aborted) return;
      display.show(feed.state, note());
      if (endAtMs !== undefined && host.clock.now() >= endAtMs) return;
      dueMs = Math.max(dueMs + intervalMs, host.clock.now());
      const untilMs = Math.min(dueMs, endAtMs ?? dueMs);
      await host.clock.sleep(untilMs - host.clock.now(), signal).catch(() => undefined);
    }
  } finally {
    quit.abort();
    display.close();
    await recording?.close();
  }
}

function parseInterval(text: string): number {
  const intervalMs = parseDuration(text);
  if (intervalMs >= leastIntervalMs && intervalMs <= mostIntervalMs) return intervalMs;
  throw new TidepoolError('invalid', `--interval ${text} is not between 200ms and 60s`);
}

/** A recording begins when it was asked for, though the server tells of the minutes before. */
function withoutHistory(answer: Answer, sinceMs: number): Answer {
  const usage = answer.usage.map((vm) => ({ ...vm, samples: vm.samples.filter((sample) => sample.atMs > sinceMs) }));
  return { ...answer, usage };
}

function plainDisplay(stdout: WriteStream): Display {
  let trouble: string | null = null;
  return {
    show(state) {
      // A server that is away says so once.
      if (state.trouble === null || trouble === null) stdout.write(`${plainLines(state).join('\n')}\n`);
      trouble = state.trouble;
    },
    close: () => undefined,
  };
}

function fullScreen(host: TopHost, quit: AbortController, redraw: () => void): Display {
  let selected = 0;
  let pools = 1;
  const screen = new Screen(host.stdin, host.stdout, {
    withColor: host.withColor,
    onResize: redraw,
    onKey(key) {
      if (keys.quit.includes(key)) return quit.abort();
      if (keys.next.includes(key)) selected = (selected + 1) % pools;
      if (keys.back.includes(key)) selected = (selected + pools - 1) % pools;
      redraw();
    },
  });
  screen.open();
  host.atExit(() => screen.close());
  return {
    show(state, note) {
      pools = Math.max(1, state.pools.length);
      screen.draw(frame(state, screen.size, { pool: state.pools[selected]?.name, note }));
    },
    close: () => screen.close(),
  };
}
