import type { BlobHold } from '../domain/blob-store.ts';
import { hasCode, TidepoolError } from '../domain/errors.ts';
import type { Job, JobSpec } from '../domain/job.ts';
import type { OnceKey } from '../domain/once.ts';
import type { JobContext } from './context.ts';
import { type SubmissionRules, submitJob } from './submit.ts';

/**
 * Puts a job like this one into its owner's queue. Errors: those of `submitJob`: what was allowed then may not be now.
 * @param blobs a hold that lasts until it is done
 */
export async function rerunJob(
  context: JobContext,
  rules: SubmissionRules,
  { id, owner, spec }: Job,
  blobs: Pick<BlobHold, 'keep'>,
  once?: OnceKey,
): Promise<Job> {
  const inputBytes = await keepInputs(spec, blobs).catch((cause: unknown) => {
    if (!hasCode(cause, 'not_found')) throw cause;
    throw new TidepoolError('conflict', `what job ${id} began with is not there any more`, { cause });
  });
  return submitJob(context, rules, { ...spec, inputBytes, owner }, once);
}

/** Their sizes are asked for again: jobs of former versions do not tell them. */
async function keepInputs(
  { scriptBlob, dataBlob, requirementsBlob }: JobSpec,
  blobs: Pick<BlobHold, 'keep'>,
): Promise<JobSpec['inputBytes']> {
  const size = async (id: string | null): Promise<number> => (id === null ? 0 : (await blobs.keep(id)).sizeBytes);
  return { script: await size(scriptBlob), data: await size(dataBlob), requirements: await size(requirementsBlob) };
}
