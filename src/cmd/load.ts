import { fstatSync } from 'node:fs';
import type { LoadCommandOptions } from '../cli/load/plan.ts';
import { load } from '../cli/load.ts';
import { steadyClock } from '../clock/steady-clock.ts';
import { interruptSignal } from './interrupt.ts';
import { sameServer } from './same-server.ts';

/** Runs `tidepool load` in this process; gives the exit code. */
export async function runLoad(
  dataDir: string | undefined,
  service: string,
  options: LoadCommandOptions,
): Promise<number> {
  const { stdin, stdout, stderr } = process;
  const gone = new AbortController();
  // Who reads a pipe may have enough before we end; a disk may be full.
  stdout.on('error', (error) => gone.abort(error));
  const host = {
    stdin,
    stdout,
    stderr,
    clock: steadyClock,
    withColor: (process.env.NO_COLOR ?? '') === '',
    hasConsole: stdin.isTTY || !isDevice(0),
    signal: AbortSignal.any([interruptSignal(), gone.signal]),
    connect: await sameServer(dataDir),
    atExit: (restore: () => void) => void process.once('exit', restore),
  };
  const exitCode = await load(host, service, options);
  const { reason } = gone.signal;
  if (reason !== undefined && reason.code !== 'EPIPE') throw reason;
  return exitCode;
}

/** As /dev/null is, which services and cron jobs have as their input. */
function isDevice(descriptor: number): boolean {
  try {
    return fstatSync(descriptor).isCharacterDevice();
  } catch {
    // It is closed: nothing comes from there.
    return true;
  }
}
