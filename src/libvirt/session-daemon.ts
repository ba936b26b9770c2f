import { spawn } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../domain/clock.ts';
import { TidepoolError } from '../domain/errors.ts';
import type { Environment } from './socket-paths.ts';

/** Ends by itself after so long without client and machine; what libvirt's own clients ask for. */
const idleTimeout = '--timeout=120';
/** Folders that are often not in an ordinary user's PATH. */
const systemFolders = ['/usr/sbin', '/usr/local/sbin', '/sbin'];
const keptErrorBytes = 4096;
const pollEveryMs = 50;
const startLimitMs = 60_000;
/** For the daemon of another client, once ours has ended. */
const rivalLimitMs = 20_000;
/** When nothing says that there is one: so long the error is held back. */
const noRivalLimitMs = 1_000;
/** How libvirt's daemons end when another one has their pid file, which that one has long before it listens. */
const pidFileTaken = 1;

/**
 * Starts the user's own daemon, as libvirt's clients do, and waits until `isUp` says that it answers. It outlives us.
 * Errors: `unavailable` when no daemon is installed, it ends at once, or it does not answer in time.
 */
export async function startSessionDaemon(
  driver: string,
  env: Environment,
  clock: Clock,
  isUp: () => Promise<boolean>,
): Promise<void> {
  const program = await findDaemon(driver, env);
  const daemon = spawn(program, [idleTimeout], {
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...env },
  });
  let said = '';
  let ended: string | undefined;
  let exitCode: number | null = null;
  daemon.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-keptErrorBytes);
  });
  daemon.on('error', (error) => {
    ended = error.message;
  });
  daemon.on('exit', (code, signal) => {
    exitCode = code;
    ended = `it ended with ${signal ?? code}`;
  });
  try {
    let endMs = clock.now() + startLimitMs;
    let rivalsTurn = false;
    for (;;) {
      // Asked once more after the limit: a machine that stood still has not asked meanwhile.
      const isLast = clock.now() >= endMs;
      if (await isUp()) return;
      // Another client may have started one at the same moment; then ours ends and theirs will answer.
      if (ended !== undefined && !rivalsTurn) {
        rivalsTurn = true;
        endMs = clock.now() + (exitCode === pidFileTaken ? rivalLimitMs : noRivalLimitMs);
      } else if (isLast) {
        throw notStarted(program, ended ?? `it did not answer within ${startLimitMs / 1000} s`, said);
      }
      await clock.sleep(pollEveryMs);
    }
  } finally {
    daemon.stderr.destroy();
    daemon.unref();
  }
}

function notStarted(program: string, why: string, said: string): TidepoolError {
  const last = said.trim().split('\n').at(-1) ?? '';
  return new TidepoolError('unavailable', `${program} could not be started: ${why}${last === '' ? '' : ` (${last})`}`);
}

async function findDaemon(driver: string, env: Environment): Promise<string> {
  const folders = [...(env.PATH ?? '').split(':').filter((folder) => folder.startsWith('/')), ...systemFolders];
  for (const name of [`virt${driver}d`, 'libvirtd']) {
    for (const folder of folders) {
      const file = join(folder, name);
      if (await isExecutable(file)) return file;
    }
  }
  const message = `no libvirt daemon is installed (looked for virt${driver}d and libvirtd); on Debian: apt-get install libvirt-daemon`;
  throw new TidepoolError('unavailable', message);
}

async function isExecutable(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
