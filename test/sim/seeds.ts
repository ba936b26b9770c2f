import { parseArgs } from 'node:util';
import { Apart } from '../../src/fake/apart.ts';
import type { Played } from './run.ts';

/** `tidepool-dev sim`: plays many seeds of the random simulation, and prints the report of each that fails. */
const usage = `usage: tidepool-dev sim [--seeds FROM-TO] [--threads N]
  --seeds    which seeds to play, e.g. 1-10000 or 42; 1-100 unless given
  --threads  how many at a time; 2 unless given`;

/** Seeds that are played on one thread before it is replaced by a fresh one. */
const seedsPerThread = 250;
const progressEvery = 100;
const hourMs = 3_600_000;

/** Sums over the seeds that were played. */
class Totals {
  played = 0;
  failed: number[] = [];
  virtualMs = 0;
  readonly #counts = new Map<string, number>();

  add(seed: number, { problem, virtualMs, counts }: Played): void {
    this.played += 1;
    this.virtualMs += virtualMs;
    for (const [kind, count] of counts) this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + count);
    if (problem === undefined) return;
    this.failed.push(seed);
    print(`\nFAILED seed ${seed}: ${problem}\n`);
  }

  get line(): string {
    return `${this.played} seeds played, ${Math.round(this.virtualMs / hourMs)} virtual hours, ${this.failed.length} failed`;
  }

  get table(): string {
    const rows = [...this.#counts].sort((a, b) => b[1] - a[1]);
    return rows.map(([kind, count]) => `${String(count).padStart(9)}  ${kind}`).join('\n');
  }
}

process.exitCode = await main();

async function main(): Promise<number> {
  const options = readOptions();
  if (options === undefined) {
    print(usage);
    return 2;
  }
  const { from, to, threads } = options;
  const totals = new Totals();
  let next = from;
  const work = async (): Promise<void> => {
    while (next <= to) {
      await using apart = new Apart<typeof import('./play.ts')>(new URL('play.ts', import.meta.url));
      for (let left = seedsPerThread; left > 0 && next <= to; left -= 1) {
        const seed = next;
        next += 1;
        totals.add(seed, await apart.call('play', seed).catch(thrown));
        if (totals.played % progressEvery === 0) print(totals.line);
      }
    }
  };
  await Promise.all(Array.from({ length: threads }, work));
  print(
    `\n${totals.table}\n\n${totals.line}${totals.failed.length === 0 ? '' : `: ${totals.failed.sort((a, b) => a - b)}`}`,
  );
  return totals.failed.length === 0 ? 0 : 1;
}

function thrown(error: unknown): Played {
  const problem = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { problem, virtualMs: 0, counts: new Map() };
}

function readOptions(): { from: number; to: number; threads: number } | undefined {
  try {
    const { values } = parseArgs({ options: { seeds: { type: 'string' }, threads: { type: 'string' } } });
    const [, from, to = from] = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(values.seeds ?? '1-100') ?? [];
    const threads = Number(values.threads ?? '2');
    if (from === undefined || !Number.isInteger(threads) || threads < 1) return undefined;
    return { from: Number(from), to: Number(to), threads };
  } catch {
    return undefined;
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
