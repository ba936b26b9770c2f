import type { AgentAddress } from '../domain/agent-link.ts';
import { TidepoolError } from '../domain/errors.ts';
import { attemptId, type Job } from '../domain/job.ts';
import type { JobContext } from './context.ts';

/**
 * Copies an attempt's frame log from its agent to ours, from where ours ends, until the agent says that it is whole.
 * Our copy is always a prefix of the agent's, so an interrupted copy goes on where it stopped.
 * @param isNew nothing of it was ever copied
 * @returns the bytes of our copy
 */
export async function followOutput(
  context: JobContext,
  job: Job,
  agent: AgentAddress,
  isNew: boolean,
  onFirstByte: () => Promise<void>,
  signal: AbortSignal,
): Promise<number> {
  const maxBytes = maxLogBytes(job);
  let size = isNew ? 0 : await context.logs.size(job.id, job.attempt);
  let isFirst = true;
  for await (const chunk of context.link.output(agent, attemptId(job.id, job.attempt), size, signal)) {
    size += chunk.length;
    // The agent keeps to the limit by itself; one that does not is not our agent any more.
    if (size > maxBytes) {
      throw new TidepoolError('upstream', `worker ${job.vmName} sent more output than the limit of ${job.id} allows`);
    }
    await context.logs.append(job.id, job.attempt, chunk);
    if (isFirst) await onFirstByte();
    isFirst = false;
    context.changes.notify(job.id);
  }
  return size;
}

/** Frames of a few bytes each are mostly header; the factor covers a script that writes byte by byte. */
function maxLogBytes(job: Job): number {
  return job.spec.limits.outputBytes * 16 + 1024 * 1024;
}
