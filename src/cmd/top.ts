import { ApiClient } from '../cli/client.ts';
import { type TopOptions, top } from '../cli/top.ts';
import { systemClock } from '../clock/system-clock.ts';
import { findServer } from '../config/connection.ts';
import { interruptSignal } from './interrupt.ts';

/** Runs `tidepool top` in this process. */
export async function runTop(dataDir: string | undefined, options: TopOptions): Promise<void> {
  const first = await findServer(dataDir);
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
      async connect() {
        // After a restart our server may be at another port; another server that runs here is not it.
        const found = await findServer(dataDir).catch(() => first);
        const { url, token } = found.token === first.token ? found : first;
        return { client: new ApiClient({ url, token }), server: url };
      },
      atExit: (restore) => void process.once('exit', restore),
    },
    options,
  );
}
