import { type BlobHold, checkBlob } from '../domain/blob-store.ts';
import { hasCode, TidepoolError, toTidepoolError } from '../domain/errors.ts';
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
  const inputBytes = await keepInputs(context, spec, blobs).catch((cause: unknown) => {
    const { details } = toTidepoolError(cause);
    const isDamaged = details.damagedBlob !== undefined;
    if (!isDamaged && !hasCode(cause, 'not_found')) throw cause;
    const problem = isDamaged ? `is damaged on the server (blob ${details.damagedBlob})` : 'is not there any more';
    throw new TidepoolError('conflict', `what job ${id} began with ${problem}; submit it anew`, { cause, details });
  });
  return submitJob(context, rules, { ...spec, inputBytes, owner }, once);
}

/** Their sizes are asked for again: jobs of former versions do not tell them. */
async function keepInputs(
  { blobs: store }: Pick<JobContext, 'blobs'>,
  { scriptBlob, dataBlob, requirementsBlob }: JobSpec,
  blobs: Pick<BlobHold, 'keep'>,
): Promise<JobSpec['inputBytes']> {
  const size = async (id: string | null): Promise<number> => {
    if (id === null) return 0;
    const { sizeBytes } = await blobs.keep(id);
    await checkBlob(store, id);
    return sizeBytes;
  };
  return { script: await size(scriptBlob), data: await size(dataBlob), requirements: await size(requirementsBlob) };
}
