import { spawn } from 'node:child_process';
import { TidepoolError } from '../domain/errors.ts';

/** Where Debian has haproxy; an ordinary user's PATH often lacks it. */
const systemFolders = ['/usr/local/sbin', '/usr/sbin', '/sbin'];
const startLimitMs = 15_000;
const keptBytes = 16 * 1024;

/**
 * Runs `haproxy` with these arguments until that process ends: with `-D` that is when HAProxy serves, in a session of its
 * own that outlives us. It gets none of our environment but PATH.
 * @param cwd its working folder, where it would leave a core dump
 * Errors: `unavailable` (not installed, or it refused, with its reason), `timeout`.
 */
export async function runHaproxy(args: readonly string[], cwd: string, path: string | undefined): Promise<void> {
  const folders = [...(path ?? '').split(':').filter((folder) => folder.startsWith('/')), ...systemFolders];
  const child = spawn('haproxy', args, {
    cwd,
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { PATH: folders.join(':') },
    timeout: startLimitMs,
    killSignal: 'SIGKILL',
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-keptBytes);
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', (cause: NodeJS.ErrnoException) => {
      const what = cause.code === 'ENOENT' ? "is not installed; see 'tidepool doctor'" : cause.message;
      reject(new TidepoolError('unavailable', `haproxy cannot be started: ${what}`, { cause }));
    });
    child.once('exit', (code) => {
      if (code === 0) resolve(code);
    });
    // With the last of what it said about its refusal.
    child.once('close', resolve);
  });
  child.stderr.destroy();
  if (code === 0) return;
  if (code === null) throw new TidepoolError('timeout', `haproxy did not start within ${startLimitMs} ms`);
  throw new TidepoolError('unavailable', `haproxy does not start: ${reasonIn(said)}`);
}

/** The first alert of its messages (`[ALERT]    (123) : config : ...`). */
function reasonIn(said: string): string {
  return /^\[ALERT\] +\(\d+\) : (.*)$/m.exec(said)?.[1] ?? said.trim().slice(0, 500);
}
