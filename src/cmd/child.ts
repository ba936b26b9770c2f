import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { TidepoolError } from '../domain/errors.ts';
import { qemuOf } from '../processes/qemu.ts';

const main = fileURLToPath(new URL('./tidepool.ts', import.meta.url));
const keptOutputChars = 1024 * 1024;

/** A `tidepool` of its own, run as a user would run it. */
export interface Child {
  readonly process: ChildProcess;
  /** Exit code (255 when a signal ended it) and the end of what it wrote to stdout. */
  readonly ended: Promise<{ readonly code: number; readonly stdout: string }>;
}

/** @param onLine called with each line that it writes, to stdout or stderr */
export function startTidepool(args: readonly string[], dataDir: string, onLine: (line: string) => void): Child {
  const child = spawn(process.execPath, [main, ...args], {
    env: { ...process.env, TIDEPOOL_DATA_DIR: dataDir },
    stdio: ['pipe', 'pipe', 'pipe'],
    // Ctrl-C at the terminal is ours to hand on, in the right order.
    detached: true,
  });
  child.stdin.on('error', () => undefined); // It ended before it had read all: its exit code tells.
  let stdout = '';
  createInterface({ input: child.stdout }).on('line', (line) => {
    stdout = `${stdout}${line}\n`.slice(-keptOutputChars);
    onLine(line);
  });
  createInterface({ input: child.stderr }).on('line', onLine);
  const ended = once(child, 'close').then(([code]) => ({ code: typeof code === 'number' ? code : 255, stdout }));
  return { process: child, ended };
}

/** Ends the QEMU of a machine at once. Errors: `not_found`. */
export async function killMachine(name: string): Promise<void> {
  const qemu = await qemuOf(name);
  if (qemu === undefined) throw new TidepoolError('not_found', `no QEMU of ${name} runs on this host`);
  process.kill(qemu.pid, 'SIGKILL');
}
