import type { ApiClient } from '../cli/client.ts';
import { TidepoolError } from '../domain/errors.ts';
import type { EventView, PoolView } from '../protocol/api.ts';

/** A command of `./tidepool` that runs. */
export interface RunningCommand {
  /** Types a line into it. */
  type(line: string): void;
  /** Its exit code and all it wrote to stdout (bounded). */
  readonly ended: Promise<CommandEnd>;
  /** As Ctrl-C. */
  interrupt(): void;
}

export interface CommandEnd {
  readonly code: number;
  readonly stdout: string;
}

/** What the demonstration needs of the process that it runs in. */
export interface Stage {
  /** Starts `./tidepool ARGS` and tells so. @param label stands before the lines that it writes; without it they are not shown */
  start(args: readonly string[], label?: string): RunningCommand;
  client(): Promise<ApiClient>;
  /** Ends the process of a VM on this host at once, as a power cut would. */
  killVm(name: string): Promise<void>;
  /** Tells the audience. */
  say(text: string): void;
  /** Milliseconds since 1970. */
  now(): number;
  sleep(ms: number): Promise<void>;
  /** Fires when the whole takes too long, or at Ctrl-C. */
  readonly signal: AbortSignal;
}

const lookEveryMs = 250;

/** Runs a command to its end. Errors: `upstream` when it fails. */
export async function command(stage: Stage, args: readonly string[], label?: string): Promise<string> {
  const { code, stdout } = await stage.start(args, label).ended;
  if (code !== 0) throw new TidepoolError('upstream', `./tidepool ${args.join(' ')} ended with ${code}`);
  return stdout;
}

/** Asks until the answer is as wished. Errors: `timeout` with what was waited for. */
export async function waitFor<T>(
  stage: Stage,
  what: string,
  limitMs: number,
  ask: () => Promise<T>,
  isRight: (answer: T) => boolean,
): Promise<T> {
  const endMs = stage.now() + limitMs;
  for (;;) {
    stage.signal.throwIfAborted();
    const answer = await ask();
    if (isRight(answer)) return answer;
    if (stage.now() > endMs) throw new TidepoolError('timeout', `${what} did not happen within ${limitMs / 1_000} s`);
    await stage.sleep(lookEveryMs);
  }
}

/** Waits until the numbers of a pool's VMs are as they should be. */
export function waitForCounts(
  stage: Stage,
  client: ApiClient,
  pool: string,
  what: string,
  limitMs: number,
  isRight: (counts: PoolView['counts']) => boolean,
): Promise<PoolView> {
  return waitFor(
    stage,
    what,
    limitMs,
    () => client.pool(pool),
    ({ counts }) => isRight(counts),
  );
}

/** Events of a pool since a moment, oldest first. */
export async function eventsSince(client: ApiClient, pool: string, sinceMs: number): Promise<EventView[]> {
  const all = await client.events(1_000, { pool });
  return all.filter((event) => event.atMs >= sinceMs);
}
