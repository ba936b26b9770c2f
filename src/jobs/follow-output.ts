import type { AttemptOutput } from '../domain/agent-link.ts';
import { TidepoolError } from '../domain/errors.ts';
import type { Job } from '../domain/job.ts';
import type { AttemptReport } from '../protocol/agent.ts';
import type { OwnParts } from '../reconcile/own-trouble.ts';
import type { JobContext } from './context.ts';

/**
 * Copies an attempt's frame log from its agent to ours until the agent says that it is whole. Our copy is always a prefix
 * of the agent's, so an interrupted copy goes on where it stopped.
 * @param output from where our copy ends
 * @param copiedBytes of our copy
 * @param parts notes what of ours fails
 * @param onProgress called for each piece that was copied
 * @returns the agent's last report, and the bytes of our copy
 */
export async function followOutput(
  context: JobContext,
  job: Job,
  output: AttemptOutput,
  copiedBytes: number,
  parts: OwnParts,
  onProgress: () => void,
): Promise<{ report: AttemptReport; logBytes: number }> {
  const maxBytes = maxLogBytes(job);
  let size = copiedBytes;
  let report: AttemptReport | undefined;
  const atEnd = (last: AttemptReport): void => {
    report = last;
  };
  for await (const chunk of telling(output, atEnd)) {
    size += chunk.length;
    // The agent keeps to the limit by itself; one that does not is not our agent any more.
    if (size > maxBytes) {
      throw new TidepoolError('upstream', `worker ${job.vmName} sent more output than the limit of ${job.id} allows`);
    }
    await parts.do(() => context.logs.append(job.id, job.attempt, chunk));
    onProgress();
    context.changes.notify(job.id);
  }
  if (report === undefined) throw new TidepoolError('upstream', `the output of ${job.id} ended without a report`);
  return { report, logBytes: size };
}

/** Frames of a few bytes each are mostly header; the factor covers a script that writes byte by byte. */
function maxLogBytes(job: Job): number {
  return job.spec.limits.outputBytes * 16 + 1024 * 1024;
}

/** Tells what a generator returns, which `for await` drops. */
async function* telling<Chunk, End>(
  source: AsyncGenerator<Chunk, End>,
  onEnd: (end: End) => void,
): AsyncGenerator<Chunk> {
  onEnd(yield* source);
}
