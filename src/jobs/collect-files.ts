import type { AgentAddress } from '../domain/agent-link.ts';
import { TidepoolError } from '../domain/errors.ts';
import { attemptId, type Job, type JobFile } from '../domain/job.ts';
import type { JobContext } from './context.ts';

const maxFiles = 10_000;

/** Brings the files that an ended attempt wrote into the blob store. */
export async function collectFiles(context: JobContext, job: Job, agent: AgentAddress): Promise<JobFile[]> {
  const files = new Map<string, JobFile>();
  let leftBytes = job.spec.limits.diskBytes;
  await context.link.files(agent, attemptId(job.id, job.attempt), async (file) => {
    if (files.size >= maxFiles || files.has(file.path)) {
      throw new TidepoolError('upstream', `worker ${job.vmName} sent a file list that ${job.id} cannot have made`);
    }
    const blob = await context.blobs.put(file.content, leftBytes);
    leftBytes -= blob.sizeBytes;
    files.set(file.path, { path: file.path, sizeBytes: blob.sizeBytes, blob: blob.id });
  });
  return [...files.values()];
}
