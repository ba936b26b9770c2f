import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { TidepoolError } from '../domain/errors.ts';

/**
 * A shell that waits for the word to become crun. It is started ahead of need: under emulation a new process costs 20 to
 * 50 ms, and while it waits it can be put into the cgroup in which crun and the container are to run from their first
 * instruction on.
 */
export interface Launcher {
  readonly pid: number;
  readonly process: ChildProcess;
  /** Ends when the process ended. */
  readonly exited: Promise<ProcessEnd>;
}

export interface ProcessEnd {
  /** Null when a signal ended it. */
  readonly code: number | null;
}

// An agent that dies closes the pipe; `read` then fails and nothing is started.
const waitThenBecome = '\necho ready; read -r extra || exit 0; ';

/**
 * @param prepare shell commands that run before it waits, '' for none
 * @param become what it runs then, e.g. `exec crun ...`; `$extra` is the line that it was sent
 * @param args `$1` and so on
 */
export async function startLauncher(prepare: string, become: string, args: readonly string[]): Promise<Launcher> {
  const script = `set -e; ${prepare}${waitThenBecome}${become}`;
  const child = spawn('/bin/sh', ['-c', script, 'launcher', ...args], {
    cwd: '/',
    env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const exited = new Promise<ProcessEnd>((resolve) => {
    child.once('exit', (code) => resolve({ code }));
    child.once('error', () => resolve({ code: 127 }));
  });
  child.stdin.on('error', () => undefined); // It died: `exited` tells.
  const ready = await Promise.race([once(child.stdout, 'data').then(() => true), exited.then(() => false)]);
  if (!ready || child.pid === undefined) {
    const said: Buffer[] = await child.stderr.toArray();
    throw new TidepoolError(
      'internal',
      `a container slot cannot be prepared: ${Buffer.concat(said).toString().trim()}`,
    );
  }
  return { pid: child.pid, process: child, exited };
}
