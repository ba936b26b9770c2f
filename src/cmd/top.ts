import { type TopOptions, top } from '../cli/top.ts';
import { systemClock } from '../clock/system-clock.ts';
import { interruptSignal } from './interrupt.ts';
import { sameServer } from './same-server.ts';

/** Runs `tidepool top` in this process. */
export async function runTop(dataDir: string | undefined, options: TopOptions): Promise<void> {
  const connect = await sameServer(dataDir);
  const { stdin, stdout } = process;
  const gone = new AbortController();
  // Who reads a pipe may have enough before we end.
  stdout.on('error', () => gone.abort());
  await top(
    {
      stdin,
      stdout,
      clock: systemClock,
      withColor: (process.env.NO_COLOR ?? '') === '',
      signal: AbortSignal.any([interruptSignal(), gone.signal]),
      connect,
      atExit: (restore) => void process.once('exit', restore),
    },
    options,
  );
}
