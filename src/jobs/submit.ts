import { randomBytes } from 'node:crypto';
import { defaultDatasetLimits } from '../domain/dataset.ts';
import { TidepoolError } from '../domain/errors.ts';
import type { Flavor } from '../domain/flavor.ts';
import { sortableId } from '../domain/id.ts';
import type { Job, JobSpec } from '../domain/job.ts';
import { defaultJobLimits, type JobLimits, jobLimitRanges } from '../domain/limits.ts';
import { pathProblem } from '../protocol/file-stream.ts';
import type { JobContext } from './context.ts';

/** A submission as it comes in; blobs are stored already. */
export interface Submission {
  readonly owner: string;
  readonly name?: string | undefined;
  readonly entrypoint: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly runtime: string;
  readonly limits: Partial<JobLimits>;
  readonly network: boolean;
  readonly priority: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly scriptBlob: string;
  readonly dataBlob: string | null;
}

export interface SubmissionRules {
  /** The sizes of VM that any pool can make. */
  readonly flavors: readonly Flavor[];
  readonly maxQueued: number;
}

/** Memory of a VM that jobs never get: kernel, agent and their reserve. */
export const reservedMemoryBytes = 384 * 1024 ** 2;

/**
 * Checks a submission and puts it into the queue. Errors: `invalid` (unknown runtime, limits out of range or larger
 * than any VM, bad file name, bad dataset), `too_large` (dataset), `exhausted` (queue full).
 */
export async function submitJob(context: JobContext, rules: SubmissionRules, submission: Submission): Promise<Job> {
  checkEntrypoint(submission.entrypoint);
  const known = await context.runtimes.names();
  if (!known.includes(submission.runtime)) {
    throw new TidepoolError(
      'invalid',
      `there is no runtime ${JSON.stringify(submission.runtime)}; there are: ${known.join(', ')}`,
    );
  }
  const limits = checkLimits(submission.limits, rules.flavors);
  await checkQueue(context, rules, submission.owner);
  if (submission.dataBlob !== null) {
    const path = await context.blobs.path(submission.dataBlob);
    const facts = await context.datasets.check(path, { ...defaultDatasetLimits, maxBytes: limits.diskBytes });
    context.log(`dataset ${submission.dataBlob.slice(0, 12)}: ${facts.files} files, ${facts.sizeBytes} bytes`);
  }
  const job = queuedJob(submission, limits, context.clock.now());
  await context.store.jobs.insert(job);
  context.changes.notify('queue');
  return job;
}

async function checkQueue(context: JobContext, rules: SubmissionRules, owner: string): Promise<void> {
  const { jobs } = context.store;
  if ((await jobs.countQueued()) >= rules.maxQueued) {
    throw new TidepoolError('exhausted', `the queue is full (${rules.maxQueued} jobs); try again later`);
  }
  const { maxQueued } = context.rules.userRules(owner);
  if (Number.isFinite(maxQueued) && (await jobs.countQueued(owner)) >= maxQueued) {
    throw new TidepoolError(
      'exhausted',
      `${owner} has ${maxQueued} jobs waiting, the most that are allowed; try again later`,
      {
        details: { maxQueued },
      },
    );
  }
}

function queuedJob(submission: Submission, limits: JobLimits, nowMs: number): Job {
  const { owner, name = submission.entrypoint, limits: _asked, ...rest } = submission;
  const spec: JobSpec = { ...rest, name, limits };
  return {
    id: sortableId(nowMs, randomBytes(10)),
    owner,
    state: 'queued',
    spec,
    attempt: 0,
    vmName: null,
    cancelRequested: false,
    createdAtMs: nowMs,
    startedAtMs: null,
    endedAtMs: null,
    result: null,
  };
}

function checkEntrypoint(name: string): void {
  const problem = name.includes('/') ? 'it has a slash' : pathProblem(name);
  if (problem !== undefined) throw new TidepoolError('invalid', `the script's file name cannot be used: ${problem}`);
  if (name === 'data' || name === 'out') {
    throw new TidepoolError('invalid', `the script may not be named ${name}: that is a folder of the job`);
  }
}

/** The limits asked for, the rest filled in, all within their ranges and within the largest VM. Pure. */
export function checkLimits(asked: Partial<JobLimits>, flavors: readonly Flavor[]): JobLimits {
  const limits = { ...defaultJobLimits, ...asked };
  for (const name of Object.keys(jobLimitRanges) as (keyof JobLimits)[]) {
    const { min, max } = jobLimitRanges[name];
    const value = limits[name];
    // Written so that NaN fails too.
    if (!(value >= min && value <= max)) {
      throw new TidepoolError('invalid', `${name} is ${value}; it must be from ${min} to ${max}`, {
        details: { name },
      });
    }
    if (name !== 'cpus' && !Number.isInteger(value)) {
      throw new TidepoolError('invalid', `${name} is ${value}; it must be a whole number`, { details: { name } });
    }
  }
  const cpus = Math.max(...flavors.map((flavor) => flavor.vcpus));
  if (limits.cpus > cpus) {
    throw new TidepoolError('invalid', `${limits.cpus} CPUs were asked for; the largest VM has ${cpus}`);
  }
  const memoryBytes = Math.max(...flavors.map((flavor) => flavor.memoryMiB)) * 1024 ** 2 - reservedMemoryBytes;
  if (limits.memoryBytes > memoryBytes) {
    const most = Math.floor(memoryBytes / 1024 ** 2);
    throw new TidepoolError(
      'invalid',
      `${limits.memoryBytes} bytes of memory were asked for; the largest VM gives ${most} MiB`,
    );
  }
  return limits;
}
