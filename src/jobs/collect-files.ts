import type { AgentAddress } from '../domain/agent-link.ts';
import type { BlobHold } from '../domain/blob-store.ts';
import { TidepoolError } from '../domain/errors.ts';
import { attemptId, type Job, type JobFile } from '../domain/job.ts';
import type { OwnParts } from '../reconcile/own-trouble.ts';
import { bytesLeft } from '../storage/quota.ts';
import type { JobContext } from './context.ts';

const maxFiles = 10_000;

export interface CollectedFiles {
  readonly files: readonly JobFile[];
  /** Files that were not kept, because the owner may keep no more. */
  readonly dropped: number;
}

/**
 * Brings the files that an ended attempt wrote into the blob store.
 * @param blobs a hold that lasts until they are written down
 * @param parts notes what of ours fails
 */
export async function collectFiles(
  context: JobContext,
  job: Job,
  agent: AgentAddress,
  blobs: Pick<BlobHold, 'put'>,
  parts: OwnParts,
): Promise<CollectedFiles> {
  const files = new Map<string, JobFile>();
  let leftBytes = job.spec.limits.diskBytes;
  let allowedBytes = await parts.do(() => bytesLeft({ store: context.store, rules: context.storage }, job.owner));
  let dropped = 0;
  await context.link.files(agent, attemptId(job.id, job.attempt), async (file) => {
    if (files.size >= maxFiles || files.has(file.path)) {
      throw new TidepoolError('upstream', `worker ${job.vmName} sent a file list that ${job.id} cannot have made`);
    }
    leftBytes -= file.size;
    if (leftBytes < 0) {
      throw new TidepoolError('upstream', `worker ${job.vmName} sent more files than the limit of ${job.id} allows`);
    }
    if (file.size > allowedBytes) {
      dropped += 1;
      return;
    }
    const blob = await parts.take(file.content, (content) => blobs.put(content, file.size));
    allowedBytes -= blob.sizeBytes;
    files.set(file.path, { path: file.path, sizeBytes: blob.sizeBytes, blob: blob.id });
  });
  return { files: [...files.values()], dropped };
}
