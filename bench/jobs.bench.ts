import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { temporaryFolder } from '../test/support/server.ts';
import { alternate, type Bench, type BenchContext, type Series } from './harness.ts';
import { type Figures, fillQueue } from './jobs/long-queue.ts';
import { onVm } from './jobs/on-vm.ts';
import { startPostgres } from './jobs/postgres.ts';

const run = promisify(execFile);
const folder = join(import.meta.dirname, 'jobs');
const jobs = 5_000;
/** Submitters that each wait until their job is safe before they submit the next. */
const atOnce = 100;
const patienceMs = 50;
const memoryMiB = 300;

/**
 * The job queue. `throughput`: on fake workers that do nothing, over graphile-worker on PostgreSQL, both durable, each
 * job submitted by itself. `schedule`, `turn` and `memory`: with 100,000 queued jobs of 500 users, over what they may take. `vm`:
 * on one real VM, over a shell loop of the same containers in it.
 */
const bench: Bench = {
  name: 'jobs',
  question: 'how many jobs a second from submission to end, and what does a long queue cost?',
  unit: 'jobs/s',
  atLeast: 1,
  run: async (context) => [await throughput(context), ...(await longQueue(context)), await onVm(context)],
};

async function throughput(context: BenchContext): Promise<Series> {
  await using postgres = await startPostgres();
  const measure = async (side: string, ...database: string[]): Promise<number> => {
    const perSecond = Number(await print(context, 'one-side.ts', String(jobs), String(atOnce), ...database));
    context.log(`${side} ${Math.round(perSecond)} jobs/s`);
    return perSecond;
  };
  const series = await alternate(
    context,
    () => measure('ours'),
    async () => measure('graphile-worker', await postgres.newDatabase()),
  );
  return { ...series, variant: 'throughput' };
}

async function longQueue(context: BenchContext): Promise<Series[]> {
  const database = await temporaryFolder('bench-long-queue');
  try {
    await fillQueue(database.path);
    const all: Figures[] = [];
    for (let i = 0; i < context.runs; i += 1) {
      const figures: Figures = JSON.parse(await print(context, 'long-queue.ts', database.path));
      all.push(figures);
      const turn = `a turn at most ${figures.turnMs.toFixed(1)} ms by CPU time`;
      context.log(`schedule at most ${figures.worstMs.toFixed(1)} ms, ${turn}, ${figures.peakMiB.toFixed(0)} MiB`);
    }
    const against = (limit: number): number[] => all.map(() => limit);
    const limit = { atMost: 1 };
    return [
      {
        variant: 'schedule',
        unit: 'ms',
        ours: all.map(({ worstMs }) => worstMs),
        baseline: against(patienceMs),
        limit,
      },
      { variant: 'turn', unit: 'ms', ours: all.map(({ turnMs }) => turnMs), baseline: against(patienceMs), limit },
      { variant: 'memory', unit: 'MiB', ours: all.map(({ peakMiB }) => peakMiB), baseline: against(memoryMiB), limit },
    ];
  } finally {
    await database.remove();
  }
}

/** What a file of the folder prints, in a process of its own, so that no side's garbage is the other's. */
async function print({ signal }: BenchContext, file: string, ...args: string[]): Promise<string> {
  return (await run(process.execPath, [join(folder, file), ...args], { signal })).stdout;
}

export default bench;
