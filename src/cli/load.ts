import { TidepoolError } from '../domain/errors.ts';
import { messageOf } from '../loadgen/message.ts';
import type { ApiClient } from './client.ts';
import {
  type Display,
  plainDisplay,
  quietDisplay,
  type Streams,
  type Typing,
  terminalDisplay,
} from './load/display.ts';
import { inputLines } from './load/input-lines.ts';
import { Log, logFile } from './load/log.ts';
import { type LoadCommandOptions, type LoadPlan, messageSpecOf, planOf } from './load/plan.ts';
import { Records } from './load/records.ts';
import { ServiceFeed } from './load/service.ts';
import { Session, type SessionClock } from './load/session.ts';
import { type LoadView, summaryObject, summaryText } from './load/status.ts';

/** What `load` needs of the process that it runs in. */
export interface LoadHost extends Streams {
  readonly clock: SessionClock;
  readonly withColor: boolean;
  /** Whether commands can come by standard input. */
  readonly hasConsole: boolean;
  /** The server, found anew each time. */
  connect(): Promise<{ client: ApiClient; server: string }>;
  /** Fires at Ctrl-C. */
  readonly signal: AbortSignal;
  /** Called at the end of the process whatever its reason, so that the terminal is as it was. */
  atExit(restore: () => void): void;
}

const intervalMs = 1_000;
/** For requests under way: after Ctrl-C; otherwise each has its time, and a little for it to be noticed. */
const graceMs = { leave: 1_000, noticed: 300 } as const;
const failedExitCode = 1;

/** How a run ends: its time is over, its user leaves, or `exit` was typed. */
type Ending = 'time' | 'leave' | 'exit';

/**
 * `tidepool load`: load for a service, as the options or a console say; gives the exit code.
 * Errors: `unavailable` when no request was answered well, `not_found`, `invalid`.
 */
export async function load(host: LoadHost, service: string, options: LoadCommandOptions): Promise<number> {
  const plan = planOf(options);
  const isConsole = plan.start === undefined;
  if (isConsole && !host.hasConsole) {
    const instead = 'without one use --mode, --every or --rate';
    throw new TidepoolError('invalid', `commands are read from a terminal or a pipe; ${instead}`);
  }
  await using parts = new AsyncDisposableStack();
  const { clock, connect } = host;
  const closed = new AbortController();
  parts.defer(() => closed.abort());
  const feed = new ServiceFeed({ service, clock, signal: closed.signal, connect });
  const facts = await feed.facts();
  const message = messageOf(messageSpecOf(options, facts.protocol));

  const over = new AbortController();
  const end = (how: Ending): void => over.abort(how);
  let session: Session | undefined;
  const typing = { onLine: (line: string) => session?.take(line), onLeave: () => end('leave') };
  const display = displayOf(host, options, isConsole ? typing : undefined);
  parts.defer(() => display.close());
  host.atExit(() => display.close());
  const log = await logOf(options, plan, display);
  if (log !== undefined) parts.defer(() => log.close());
  const records =
    options.record === undefined
      ? undefined
      : await Records.open({ path: options.record, service, clock, signal: closed.signal, connect });
  if (records !== undefined) parts.defer(() => records.close());
  const isDirect = options.direct === true;
  const onExit = (): void => end('exit');
  session = new Session({ facts, plan, message, isDirect, clock, feed, display, log, records, onExit });

  const signal = AbortSignal.any([host.signal, over.signal]);
  void feed.follow(session);
  if (isConsole && !host.stdin.isTTY) parts.defer(readPipe(host, typing));
  if (isConsole)
    display.say(`load for ${service} (${facts.protocol}): low, mid, high, a number of seconds, help, exit`);
  if (plan.start !== undefined) session.setPace(plan.start);
  await untilEnd(clock, session, signal, plan.forMs);
  const ending: Ending = over.signal.aborted ? over.signal.reason : host.signal.aborted ? 'leave' : 'time';
  await session.end(ending === 'leave' ? graceMs.leave : plan.timeoutMs + graceMs.noticed);
  if (ending === 'exit') {
    await feed.stop();
    display.say(`${service} is stopped: its VMs are shut down`);
  }
  display.close();
  return conclude(host, options, session.sum());
}

function displayOf(host: LoadHost, { json, plain }: LoadCommandOptions, typing: Typing | undefined): Display {
  if (json === true) return quietDisplay(host);
  const isTerminal = host.stdout.isTTY && plain !== true && (typing === undefined || host.stdin.isTTY);
  return isTerminal ? terminalDisplay(host, host.withColor, typing) : plainDisplay(host);
}

async function logOf(
  { log, loglevel }: LoadCommandOptions,
  plan: LoadPlan,
  display: Display,
): Promise<Log | undefined> {
  if (log !== undefined) return new Log(await logFile(log), plan.logLevel);
  if (loglevel === undefined) return undefined;
  const append = async (text: string): Promise<void> => display.log(text);
  return new Log({ append, close: async () => undefined }, plan.logLevel);
}

/** Takes commands from a pipe; its end is as Ctrl-C. Gives what stops it. */
function readPipe({ stdin }: LoadHost, { onLine, onLeave }: Typing): () => void {
  const read = async (): Promise<void> => {
    for await (const line of inputLines(stdin)) onLine(line);
  };
  // A pipe that breaks has ended too.
  void read().then(onLeave, onLeave);
  return () => stdin.destroy();
}

/** Shows and writes down, once a second, until the time is over or the signal fires. */
async function untilEnd(
  clock: SessionClock,
  session: Session,
  signal: AbortSignal,
  forMs: number | undefined,
): Promise<void> {
  const endMs = forMs === undefined ? Number.POSITIVE_INFINITY : clock.now() + forMs;
  let writing: Promise<void> | undefined;
  // Timers are up to a millisecond early.
  while (!signal.aborted && endMs - clock.now() >= 1) {
    await clock.sleep(Math.min(intervalMs, endMs - clock.now()), signal).catch(() => undefined);
    session.show();
    // A server or a disk that is slow holds up nothing else.
    writing ??= session.write().finally(() => {
      writing = undefined;
    });
  }
  await writing;
}

function conclude(host: LoadHost, { json, failOnError }: LoadCommandOptions, view: LoadView): number {
  const { ended, ok } = view.total;
  host.stdout.write(`${json === true ? JSON.stringify(summaryObject(view)) : summaryText(view)}\n`);
  if (ended > 0 && ok === 0) throw new TidepoolError('unavailable', 'no request was answered as it should be');
  return failOnError === true && ok < ended ? failedExitCode : 0;
}
