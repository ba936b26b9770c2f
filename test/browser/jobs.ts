import { Readable } from 'node:stream';
import { emptyResult, type Job, type JobState } from '../../src/domain/job.ts';
import { queuedJob } from '../../src/fake/job.ts';
import { encodeFrame, type OutputStream } from '../../src/protocol/output-frames.ts';
import type { TestWeb } from '../accounts/server.ts';

let made = 0;
const dot = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

/** Writes to the log of a job as its worker would. */
export async function writeLog({ context }: TestWeb, job: Job, stream: OutputStream, text: string): Promise<void> {
  const { logs, changes, clock } = context.jobs;
  await logs.append(job.id, job.attempt, encodeFrame({ stream, atMs: clock.now(), data: Buffer.from(text) }));
  changes.notify(job.id);
}

/** Ends a running job, with files. */
export async function endJob({ context }: TestWeb, job: Job, state: JobState): Promise<void> {
  const { store, changes, clock, blobs } = context.jobs;
  const contents = {
    'model/report.txt': Buffer.from('accuracy 0.97\n\u001b[31mred\u001b[0m \u202eback\n'),
    'picture.png': Buffer.from(dot, 'base64'),
    'weights.bin': Buffer.alloc(3_000_000, 7),
  };
  const files = await Promise.all(
    Object.entries(state === 'succeeded' ? contents : {}).map(async ([path, content]) => {
      const { id: blob, sizeBytes } = await blobs.put(Readable.from([content]), 10_000_000);
      return { path, sizeBytes, blob };
    }),
  );
  const syntaxProblem = { file: 'train.py', line: 12, column: 9, message: "expected ':'", text: '    if x\n' };
  const result = {
    ...{ ...emptyResult, wallMs: 12_300, cpuMs: 11_000, peakMemoryBytes: 300 * 1024 ** 2 },
    ...(state === 'succeeded' ? { exitCode: 0 } : {}),
    ...(state === 'rejected' ? { syntaxProblem } : {}),
  };
  await store.jobs.finish(job.id, job.attempt, { state: state as 'succeeded', result, files, nowMs: clock.now() });
  changes.notify(job.id);
}

/** A job in this state, with output if it has run. */
export async function addLoggedJob(web: TestWeb, owner: string, state: JobState): Promise<Job> {
  const { store, clock } = web.context.jobs;
  made += 1;
  const nowMs = clock.now();
  const isQueued = state === 'queued';
  const base = queuedJob({
    id: `job-${String(made).padStart(4, '0')}`,
    owner,
    createdAtMs: nowMs - 95_000 - made * 1_000,
  });
  const job: Job = {
    ...base,
    spec: { ...base.spec, name: `train-${made}.py`, entrypoint: 'train.py', args: ['--epochs', '3'] },
    ...(isQueued ? {} : { state: 'running', attempt: 1, vmName: 'default-0001', startedAtMs: nowMs - 60_000 }),
  };
  await store.jobs.insert(job);
  if (isQueued) return job;
  await writeLog(web, job, 'stdout', 'loading ./data\nepoch 1 of 3: loss 0.81\nepoch 2 of 3: loss 0.44\n');
  await writeLog(web, job, 'stderr', 'warning: the learning rate is high\n');
  await writeLog(web, job, 'stdout', 'epoch 3 of 3: loss 0.32\n');
  if (state !== 'running') await endJob(web, job, state);
  return job;
}
