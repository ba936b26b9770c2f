import { parseArgs } from 'node:util';
import { systemClock } from '../../src/clock/system-clock.ts';
import { ensureSystem } from '../../src/cmd/system.ts';
import { defaultCacheDir } from '../../src/config/paths.ts';
import { commandRunner } from '../../src/image/command.ts';
import { requirementsOf } from '../../src/setup/requirements.ts';
import { BareMachine } from './machine.ts';
import { parts } from './parts.ts';

/** `npm run bare`: both commands on a Debian that has nothing of ours. */
const usage = `usage: npm run bare -- [--only start|check|test|sample]... [--keep]
  --only   only this: npm start with a job, npm run check, npm test, or the sample that is a stage of npm test;
           without it start and test
  --keep   leave the root folder until the next run, and say where it is`;

process.exitCode = await main();

async function main(): Promise<number> {
  const options = readOptions();
  if (options === undefined) {
    print(usage);
    return 2;
  }
  if (process.getuid?.() !== 0) {
    print('npm run bare needs root: it makes namespaces and installs packages in them');
    return 69;
  }
  const interrupted = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => interrupted.abort());
  await ensureSystem(requirementsOf('server', 'test'), interrupted.signal);
  const run = commandRunner(systemClock, interrupted.signal);
  const machine = await timed('a bare root with a fresh clone', () => BareMachine.make(defaultCacheDir(), run, print));
  const onInterrupt = (): void => void machine.end();
  interrupted.signal.addEventListener('abort', onInterrupt);
  try {
    for (const name of options.only) await timed(name, () => parts[name](machine));
    print('bare: everything passed');
    return 0;
  } catch (error) {
    print(`bare: FAILED: ${error instanceof Error ? error.message : String(error)}`);
    return interrupted.signal.aborted ? 130 : 1;
  } finally {
    if (options.keep) {
      await machine.end();
      print(`kept: ${machine.root}`);
    } else await machine[Symbol.asyncDispose]();
  }
}

async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
  const startedAtMs = performance.now();
  print(`bare: ${what} ...`);
  const result = await work();
  print(`bare: ${what}: ${((performance.now() - startedAtMs) / 1_000).toFixed(1)} s`);
  return result;
}

function readOptions(): { only: (keyof typeof parts)[]; keep: boolean } | undefined {
  try {
    const { values } = parseArgs({
      options: { only: { type: 'string', multiple: true }, keep: { type: 'boolean', default: false } },
    });
    const only = values.only ?? ['start', 'test'];
    const isKnown = (name: string): name is keyof typeof parts => Object.hasOwn(parts, name);
    return only.every(isKnown) ? { only: only.filter(isKnown), keep: values.keep } : undefined;
  } catch {
    return undefined;
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
