import { systemClock } from '../clock/system-clock.ts';
import { toTidepoolError } from '../domain/errors.ts';
import { systemFault } from '../files/system-fault.ts';
import { ensureImage, ensureRuntime } from './artifacts.ts';
import { interruptSignal } from './interrupt.ts';
import type { Prepared, PreparedLine } from './prepare.ts';
import { watchStandardStreams } from './stdio.ts';
import { ensureSite } from './web.ts';

/** The process of prepare.ts: `prepare-main.ts CACHE-DIR` prints one line of JSON. */
// The server, which reads the line, goes on without the progress, and so does this.
watchStandardStreams(() => true);
const [cacheDir = ''] = process.argv.slice(2);
const line: PreparedLine = await prepared(interruptSignal()).catch((thrown: unknown) => {
  const { code, message } = toTidepoolError(systemFault(thrown));
  return { error: { code, message } };
});
process.stdout.write(`${JSON.stringify(line)}\n`);

async function prepared(signal: AbortSignal): Promise<Prepared> {
  const image = await ensureImage(cacheDir, systemClock, signal);
  await ensureRuntime('python', cacheDir, systemClock, signal);
  const site = await ensureSite(cacheDir, (message) => process.stderr.write(`${message}\n`));
  return { image, site };
}
