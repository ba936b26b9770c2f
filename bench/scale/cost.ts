import { defaultFlavors } from '../../src/domain/flavor.ts';
import { defaultJobLimits } from '../../src/domain/limits.ts';
import type { JobContext } from '../../src/jobs/context.ts';
import { JobController } from '../../src/jobs/controller.ts';
import { submitJob } from '../../src/jobs/submit.ts';
import { checkQuota } from '../../src/storage/quota.ts';
import { timeMs } from '../harness.ts';
import { owner } from './fill.ts';

const rules = { flavors: defaultFlavors, maxQueued: 10_000_000 };
const usualTimes = 50;
const pageLength = 50;

/** Mean milliseconds of a submission, with the checks of quota and queue, until it is on the disk. */
export async function submissionMs(context: JobContext, times = usualTimes): Promise<number> {
  const { id, sizeBytes } = await context.blobs.put(script(), 100);
  const { cpus, memoryBytes } = defaultJobLimits;
  const files = { scriptBlob: id, dataBlob: null, requirementsBlob: null };
  const submission = {
    ...{ owner, entrypoint: 'job.py', args: [], environment: {}, runtime: 'python', limits: { cpus, memoryBytes } },
    ...{ network: false, priority: 0, labels: {}, source: 'script' as const, ...files },
    inputBytes: { script: sizeBytes, data: 0, requirements: 0 },
  };
  const took = await timeMs(async () => {
    for (let i = 0; i < times; i += 1) {
      await checkQuota({ store: context.store, rules: context.storage }, owner, []);
      await submitJob(context, rules, submission);
    }
  });
  return took / times;
}

/** Mean milliseconds of a listed job: the newest queued ones, each with its place and why it waits. */
export async function listedMs(context: JobContext, times = usualTimes): Promise<number> {
  const controller = new JobController(context);
  let listed = 0;
  const took = await timeMs(async () => {
    for (let i = 0; i < times; i += 1) {
      const jobs = await context.store.jobs.list({ owner, states: ['queued'], limit: pageLength });
      await Promise.all(jobs.map((job) => controller.waiting(job)));
      listed += jobs.length;
    }
  });
  return took / listed;
}

async function* script(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('pass\n');
}
