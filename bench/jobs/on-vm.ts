import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ApiClient } from '../../src/cli/client.ts';
import { JobClient } from '../../src/cli/job-client.ts';
import { findServer } from '../../src/config/connection.ts';
import { startServer, temporaryFolder } from '../../test/support/server.ts';
import { prepareByHand } from '../by-hand.ts';
import { type BenchContext, type Series, timeMs } from '../harness.ts';

/** The sides take turns, so that a machine that is slower for a minute is so for both: 300 jobs in all. */
const rounds = 3;
const jobsPerRound = 100;
const warmUpJobs = 20;
const script = 'print("first line")\n';
/** One of ours, which takes minutes, stands for so many of the harness's runs. */
const usualRuns = 7;

/** Trivial jobs on one real VM, from the first submission to the last end, over the same containers by hand in it. */
export async function onVm(context: BenchContext): Promise<Series> {
  const folder = await temporaryFolder('bench-jobs-vm');
  const dataDir = join(folder.path, 'data');
  const path = join(folder.path, 'x.py');
  await writeFile(path, script);
  const server = await startServer(dataDir);
  try {
    const client = new ApiClient(await findServer(dataDir));
    const [vm] = await client.vms();
    if (vm === undefined) throw new Error('no VM');
    const byHand = await prepareByHand(client, vm.name, script, folder.path);
    await byHand(warmUpJobs);
    await allEndedMs(client, path, warmUpJobs);
    const series = { ours: [] as number[], baseline: [] as number[] };
    for (let i = 0; i < Math.ceil(context.runs / usualRuns); i += 1) {
      let [oursMs, baselineMs] = [0, 0];
      for (let round = 0; round < rounds; round += 1) {
        context.signal.throwIfAborted();
        oursMs += await allEndedMs(client, path, jobsPerRound);
        baselineMs += await byHand(jobsPerRound);
        const done = (round + 1) * jobsPerRound;
        context.log(`${done} jobs: ${Math.round(oursMs)} ms; by hand: ${Math.round(baselineMs)} ms`);
      }
      series.ours.push(oursMs);
      series.baseline.push(baselineMs);
    }
    return { ...series, variant: 'vm', unit: 'ms', limit: { atMost: 1.3 } };
  } finally {
    server.signal('SIGINT');
    await server.ended;
    await folder.remove();
  }
}

function allEndedMs(client: ApiClient, path: string, count: number): Promise<number> {
  const api = new JobClient(client);
  return timeMs(async () => {
    const submitted = Array.from({ length: count }, () => api.submit({}, { script: path }, sleep));
    await Promise.all(submitted);
    for (;;) {
      const { queuedJobs } = await client.pools();
      const running = (await client.vms()).flatMap((vm) => vm.jobs);
      if (queuedJobs === 0 && running.length === 0) return;
      await sleep(100);
    }
  });
}
