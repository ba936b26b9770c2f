import { randomBytes } from 'node:crypto';
import { type ArchiveFacts, defaultArchiveLimits } from '../domain/archive.ts';
import { TidepoolError } from '../domain/errors.ts';
import type { Flavor } from '../domain/flavor.ts';
import { idCeiling, sortableIdAfter } from '../domain/id.ts';
import type { InputBytes, Job, JobSpec } from '../domain/job.ts';
import type { JobLimits } from '../domain/limits.ts';
import type { OnceAnswer, OnceKey } from '../domain/once.ts';
import { checkQuota } from '../storage/quota.ts';
import { checkLimits, checkUserRules } from './check-limits.ts';
import type { JobContext } from './context.ts';
import { checkEntrypoint, projectEntrypoint } from './entrypoint.ts';
import { checkImageCommand } from './image-command.ts';
import { checkRequirements } from './layered.ts';

/** A submission as it comes in; blobs are stored already, and held until it is done. */
export interface Submission {
  readonly owner: string;
  readonly name?: string | undefined;
  /** Of a project it may be left out where there is one file that must be meant. */
  readonly entrypoint?: string | undefined;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly runtime: string;
  readonly limits: Partial<JobLimits>;
  readonly network: boolean;
  readonly priority: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly source: JobSpec['source'];
  readonly scriptBlob: string | null;
  readonly dataBlob: string | null;
  readonly requirementsBlob: string | null;
  readonly inputBytes: InputBytes;
}

export interface SubmissionRules {
  /** The sizes of VM that any pool can make. */
  readonly flavors: readonly Flavor[];
  readonly maxQueued: number;
}

/**
 * Checks a submission and puts it into the queue. Errors: `invalid` (unknown runtime, limits out of range or larger
 * than any VM, bad file name, bad archive), `too_large` (archive), `exhausted` (queue or storage full), `conflict` (the key
 * was another request's).
 * @param once gives the job of an earlier request with this key, if there is one
 */
export async function submitJob(
  context: JobContext,
  rules: SubmissionRules,
  submission: Submission,
  once?: OnceKey,
): Promise<Job> {
  const earlier = once === undefined ? undefined : await jobOfEarlier(context, once);
  if (earlier !== undefined) return earlier;
  const known = await context.runtimes.names();
  if (!known.includes(submission.runtime)) {
    throw new TidepoolError(
      'invalid',
      `there is no runtime ${JSON.stringify(submission.runtime)}; there are: ${known.join(', ')}`,
    );
  }
  const limits = checkLimits(submission.limits, rules.flavors);
  checkUserRules(submission.owner, limits, context.rules.userRules(submission.owner));
  await checkQueue(context, rules, submission.owner);
  await checkQuota({ store: context.store, rules: context.storage }, submission.owner, blobsOf(submission));
  await checkRequirements(context, submission.requirementsBlob);
  const entrypoint = await checkFiles(context, submission, limits);
  const job = queuedJob(await newId(context), submission, entrypoint, limits, context.clock.now());
  if (once === undefined) await context.store.jobs.insert(job);
  else {
    const answer = await context.store.jobs.insertOnce(job, once);
    if (answer.state !== 'first') return jobOf(context, answer);
  }
  context.changes.notify('queue');
  return job;
}

/** The job that a request with this key made before. Error: `conflict` when it was another request. */
export async function jobOfEarlier(context: JobContext, once: OnceKey): Promise<Job | undefined> {
  const answer = await context.store.once.find(once, context.clock.now());
  return answer === undefined ? undefined : jobOf(context, answer);
}

async function jobOf(context: JobContext, answer: OnceAnswer): Promise<Job> {
  if (answer.state === 'other')
    throw new TidepoolError('conflict', 'the Idempotency-Key was sent with another request');
  const job = await context.store.jobs.get(answer.outcome);
  if (job !== undefined) return job;
  throw new TidepoolError('conflict', `the job ${answer.outcome} of this Idempotency-Key has been deleted`);
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
      { details: { maxQueued } },
    );
  }
}

function blobsOf({ scriptBlob, dataBlob, requirementsBlob, inputBytes }: Submission) {
  return [
    ...(scriptBlob === null ? [] : [{ id: scriptBlob, sizeBytes: inputBytes.script }]),
    ...(dataBlob === null ? [] : [{ id: dataBlob, sizeBytes: inputBytes.data }]),
    ...(requirementsBlob === null ? [] : [{ id: requirementsBlob, sizeBytes: inputBytes.requirements }]),
  ];
}

/** What the archives hold, and whether there is the file to run; gives its path. */
async function checkFiles(context: JobContext, submission: Submission, { diskBytes }: JobLimits): Promise<string> {
  const { source, scriptBlob, dataBlob } = submission;
  const check = async (blob: string, what: string, leftBytes: number): Promise<ArchiveFacts> => {
    const maxBytes = Math.min(leftBytes, defaultArchiveLimits.maxBytes);
    return context.archives.check(await context.blobs.path(blob), { ...defaultArchiveLimits, maxBytes }, what);
  };
  let leftBytes = diskBytes;
  let entrypoint = submission.entrypoint ?? '';
  if (scriptBlob === null) {
    const { runtime, args } = submission;
    checkImageCommand(runtime, await context.runtimes.image(runtime), args);
  } else if (source === 'script') checkEntrypoint(entrypoint);
  else {
    const project = await check(scriptBlob, 'the project', leftBytes);
    entrypoint = projectEntrypoint(submission.entrypoint, project.files, dataBlob !== null);
    leftBytes -= project.sizeBytes;
  }
  if (dataBlob !== null) await check(dataBlob, 'the dataset', leftBytes);
  return entrypoint;
}

async function newId({ store, clock }: JobContext): Promise<string> {
  const nowMs = clock.now();
  return sortableIdAfter(await store.jobs.newestId(idCeiling(nowMs)), nowMs, randomBytes(10));
}

function queuedJob(id: string, submission: Submission, entrypoint: string, limits: JobLimits, nowMs: number): Job {
  const { owner, name = entrypoint === '' ? submission.runtime : entrypoint, limits: _asked, ...rest } = submission;
  const spec: JobSpec = { ...rest, name, entrypoint, limits };
  return {
    id,
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
