import { randomInt } from 'node:crypto';
import { systemClock } from '../../src/clock/system-clock.ts';
import { ensureImage, ensureRuntime } from '../../src/cmd/artifacts.ts';
import { ensureSystem } from '../../src/cmd/system.ts';
import { defaultCacheDir, prepareCacheDir } from '../../src/config/paths.ts';
import { errorCodes } from '../../src/domain/errors.ts';
import { readSoakOptions, soakUsage } from './options.ts';
import { soak } from './soak.ts';
import { summaryOf } from './summary.ts';

// The soak goes on to its end, and gives its exit code, also when nobody reads what it prints.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

/** `npm run soak`: exit code 0 when nothing was lost, 1 when something was, 64 for wrong arguments. */
process.exitCode = await main();

async function main(): Promise<number> {
  const args = process.argv.slice(2);
  if (args.includes('--help')) {
    print(soakUsage);
    return 0;
  }
  const options = readSoakOptions(args, randomInt(1, 1_000_000));
  if (typeof options === 'string') {
    print(`${options}\n${soakUsage}`);
    return errorCodes.invalid.exitCode;
  }
  print(`seed ${options.seed}; the same again: npm run soak -- --seed ${options.seed}`);
  const { signal } = new AbortController();
  await ensureSystem();
  await prepareCacheDir(defaultCacheDir());
  await ensureImage(defaultCacheDir(), systemClock, signal);
  await ensureRuntime('python', defaultCacheDir(), systemClock, signal);
  const stopping = new AbortController();
  process.once('SIGINT', () => {
    print('no new faults; the rest is checked now. Ctrl-C again leaves everything as it is.');
    stopping.abort();
  });
  const result = await soak(options, print, stopping.signal);
  print(summaryOf(options, result));
  return result.violations.length === 0 ? 0 : 1;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
