import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { Cgroup } from '../agent/cgroup.ts';
import { type AgentClock, sleep } from '../agent/clock.ts';
import { shellOptions } from '../agent/launcher.ts';
import type { WorkLease } from '../agent/work-lease.ts';
import { TidepoolError } from '../domain/errors.ts';

const tellEveryMs = 500;
const startLimitMs = 10_000;
const restartAfterMs = 1_000;

/**
 * Script of the watchdog's process, which is `sh -c SCRIPT watchdog OWN-CGROUP CGROUP-OF-JOBS`. The input of the script ends when the
 * worker's process ends, in whichever way. A line of the input is `until TIME .`: jobs may run until that time (1/100 s of uptime).
 * `read` fails when a second has passed without a line, and at once at the end of the input: three quick failures in a row mean the end.
 * When the second passes within a line, `read` gets the rest of that line next; a rest lacks the form of a line and is ignored.
 */
export const watchdogScript = `
own=$1 jobs=$2
echo 0 >"$own/cgroup.procs" || exit 1
echo ready
now() { read -r up rest </proc/uptime; up=\${up%.*}\${up#*.}; }
until=
failures=0
while [ "$failures" -lt 3 ]; do
  now; before=$up
  if read -r -t 1 word time end; then
    failures=0
    [ "$word $end" = 'until .' ] && until=$time
  else
    now
    if [ $((up - before)) -lt 50 ]; then failures=$((failures + 1)); else failures=0; fi
  fi
  now
  if [ -n "$until" ] && [ "$up" -gt "$until" ]; then echo 1 >"$jobs/cgroup.kill"; fi
done
isPopulated() {
  while read -r key value; do
    [ "$key" = populated ] && [ "$value" = 1 ] && return 0
  done <"$jobs/cgroup.events"
  return 1
}
while isPopulated; do
  echo 1 >"$jobs/cgroup.kill"
  busybox sleep 0.1
done
`;

/** What the watchdog needs of the worker. */
export interface WatchdogOptions {
  /** The worker's cgroup, which has the ones of the watchdog and of the jobs in it. */
  readonly cgroup: string;
  readonly lease: Pick<WorkLease, 'untilMs'>;
  readonly clock: AgentClock;
  log(line: string): void;
}

/**
 * A process beside the worker's that ends the jobs when the worker cannot: when its process has died and nobody starts it
 * again, or when it stands still until its permission to work has run out. The control plane starts the jobs elsewhere then.
 */
export class Watchdog {
  readonly #options: WatchdogOptions;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;

  constructor(options: WatchdogOptions) {
    this.#options = options;
  }

  /**
   * Ends the watchdog of an earlier process of this worker, which might end the jobs of this one.
   * @param cgroup the worker's
   */
  static async endEarlier(cgroup: string, clock: AgentClock): Promise<void> {
    const own = new Cgroup(join(cgroup, 'watchdog'));
    await own.killAll(clock);
    own.remove();
  }

  /** Resolves when it watches. Error: `unavailable`. */
  async start(): Promise<void> {
    const process = await this.#begin();
    this.#running = this.#keep(process);
  }

  /** Ends it, and what still runs. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #begin(): Promise<ChildProcessByStdio<Writable, Readable, null>> {
    const { cgroup, clock } = this.#options;
    const own = new Cgroup(join(cgroup, 'watchdog'));
    own.create({});
    // In a group of its own: a signal to the worker's group is not for it.
    const child = spawn('busybox', ['sh', '-c', watchdogScript, 'watchdog', own.path, join(cgroup, 'jobs')], {
      ...shellOptions,
      detached: true,
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    child.stdin.on('error', () => undefined); // It died: its end tells.
    const isReady = await new Promise<boolean>((resolve) => {
      const cancel = clock.after(startLimitMs, () => resolve(false));
      const settle = (isWatching: boolean) => (): void => {
        cancel();
        resolve(isWatching);
      };
      child.once('error', settle(false)).once('exit', settle(false));
      child.stdout.once('data', settle(true));
    });
    if (isReady) return child;
    child.kill('SIGKILL');
    throw new TidepoolError('unavailable', 'the process that ends jobs when this one dies cannot be started');
  }

  /** Tells it the permission all the time; one that has died is replaced. */
  async #keep(first: ChildProcessByStdio<Writable, Readable, null>): Promise<void> {
    const { clock, lease, log } = this.#options;
    const { signal } = this.#stopping;
    for (let child: ChildProcessByStdio<Writable, Readable, null> | undefined = first; ; ) {
      if (child !== undefined) {
        const ended = once(child, 'exit');
        while (!signal.aborted && child.exitCode === null && child.signalCode === null) {
          if (Number.isFinite(lease.untilMs)) child.stdin.write(`until ${Math.floor(lease.untilMs / 10)} .\n`);
          await sleep(clock, tellEveryMs, signal);
        }
        child.stdin.end();
        await ended;
      }
      if (signal.aborted) return;
      log('the process that ends jobs when this one dies has ended; another is started');
      await sleep(clock, restartAfterMs, signal);
      child = await this.#begin().catch((error: unknown) => {
        log(String(error));
        return undefined;
      });
    }
  }
}
