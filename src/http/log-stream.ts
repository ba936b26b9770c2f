import { TidepoolError } from '../domain/errors.ts';
import { type Job, jobStates } from '../domain/job.ts';
import type { OutputEvent } from '../protocol/api.ts';
import { FrameDecoder, frameHeaderBytes, type OutputFrame } from '../protocol/output-frames.ts';
import type { HttpContext } from './context.ts';
import { quietWait, sse } from './sse.ts';
import { jobView } from './views.ts';

const readBytes = 256 * 1024;
export interface LogPosition {
  /** 0: the first there is. */
  readonly attempt: number;
  /** Byte offset of a frame in that attempt's log. */
  readonly offset: number;
}

/** A job's output as server-sent events from a position on, until the job ended (or, without follow, the present end). */
export async function* logEvents(
  context: HttpContext,
  jobId: string,
  from: LogPosition,
  follow: boolean,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const { changes, clock } = context.jobs;
  const subscription = changes.subscribe(jobId);
  let position = from;
  let isSilent = true;
  try {
    while (!signal.aborted) {
      const job = await findJob(context, jobId, null);
      if (job.attempt > position.attempt) position = { attempt: job.attempt, offset: 0 };
      // The job is read before its log: what an ended job has printed is all there.
      for await (const { event, next } of newOutput(context, job, position)) {
        yield event;
        position = next;
        isSilent = false;
      }
      if (jobStates[job.state].ended || !follow) {
        yield sse('end', JSON.stringify(await jobView(context, job)));
        return;
      }
      // The answer begins with its first bytes: the follower of a job that prints nothing must know that it is connected.
      if (isSilent) yield ': following\n\n';
      isSilent = false;
      const filler = await quietWait(clock, subscription, signal);
      if (filler !== '') yield filler;
    }
  } finally {
    subscription.close();
  }
}

async function* newOutput(
  context: HttpContext,
  job: Job,
  from: LogPosition,
): AsyncGenerator<{ event: string; next: LogPosition }> {
  const decoder = new FrameDecoder();
  let readAt = from.offset;
  let offset = from.offset;
  for (;;) {
    const chunk = await context.jobs.logs.read(job.id, from.attempt, readAt, readBytes);
    if (chunk.length === 0) return;
    readAt += chunk.length;
    for (const frame of decode(decoder, chunk)) {
      offset += frameHeaderBytes + frame.data.length;
      yield { event: frameEvent(frame, from.attempt, offset), next: { attempt: from.attempt, offset } };
    }
  }
}

function decode(decoder: FrameDecoder, chunk: Uint8Array): OutputFrame[] {
  try {
    return decoder.push(chunk);
  } catch (cause) {
    throw new TidepoolError('invalid', 'the offset is not where a frame of the log begins', { cause });
  }
}

function frameEvent(frame: OutputFrame, attempt: number, offset: number): string {
  const data: OutputEvent = {
    stream: frame.stream,
    atMs: frame.atMs,
    base64: Buffer.from(frame.data).toString('base64'),
  };
  return sse('output', JSON.stringify(data), `${attempt}:${offset}`);
}

/**
 * @param owner only a job of this one's is found; null: anybody's. Errors: `not_found`, also when it is another's.
 */
export async function findJob(context: HttpContext, id: string, owner: string | null): Promise<Job> {
  const job = await context.jobs.store.jobs.get(id);
  if (job === undefined || (owner !== null && job.owner !== owner)) {
    throw new TidepoolError('not_found', `there is no job ${id}`);
  }
  return job;
}
