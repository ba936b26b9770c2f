import { TidepoolError } from '../domain/errors.ts';
import { type Job, type JobState, jobStates } from '../domain/job.ts';
import type { OutputEvent } from '../protocol/api.ts';
import type { OutputFrame } from '../protocol/output-frames.ts';
import type { HttpContext } from './context.ts';
import { DamagedLog, isFrameStart, logFrames } from './log-frames.ts';
import { quietWait, sse } from './sse.ts';
import { jobView } from './views.ts';

/** Jobs that end like this have their whole log; the worker of another may have been lost in the middle of a frame. */
const completeStates: ReadonlySet<JobState> = new Set(['succeeded', 'failed', 'timed_out', 'out_of_memory']);

export interface LogPosition {
  /** 0: the first there is. */
  readonly attempt: number;
  /** Byte offset of a frame in that attempt's log. */
  readonly offset: number;
}

/**
 * A job's output as server-sent events from a position on, until the job ended (or, without follow, the present end). Where a log is
 * damaged an event `damaged` says so, and a notice for people. Error: `invalid` when no frame begins at the position.
 */
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
  let damagedAttempt: number | undefined;
  try {
    while (!signal.aborted) {
      const job = await findJob(context, jobId, null);
      if (job.attempt > position.attempt) position = { attempt: job.attempt, offset: 0 };
      // The job is read before its log: what an ended job has printed is all there.
      try {
        if (position.attempt !== damagedAttempt) {
          for await (const { event, next } of newOutput(context, job, position)) {
            yield event;
            position = next;
            isSilent = false;
          }
        }
      } catch (error) {
        if (!(error instanceof DamagedLog)) throw error;
        if (position === from) await checkPosition(context, job, from);
        damagedAttempt = position.attempt;
        isSilent = false;
        yield damageEvents(error, context.jobs.clock.now());
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
  { attempt, offset }: LogPosition,
): AsyncGenerator<{ event: string; next: LogPosition }> {
  const isComplete = attempt === job.attempt && completeStates.has(job.state);
  for await (const { frame, end } of logFrames(context.jobs.logs, job.id, attempt, offset, isComplete)) {
    yield { event: frameEvent(frame, `${attempt}:${end}`), next: { attempt, offset: end } };
  }
}

async function checkPosition({ jobs }: HttpContext, job: Job, { attempt, offset }: LogPosition): Promise<void> {
  if (offset === 0 || (await isFrameStart(jobs.logs, job.id, attempt, offset))) return;
  throw new TidepoolError('invalid', 'the offset is not where a frame of the log begins');
}

/** Without an id: whoever asks again from where the damage is hears of it again. */
function damageEvents({ message, details }: DamagedLog, atMs: number): string {
  const data = Buffer.from(`tidepool: ${message}\n`);
  return frameEvent({ stream: 'notice', atMs, data }) + sse('damaged', JSON.stringify({ ...details, message }));
}

function frameEvent(frame: OutputFrame, id?: string): string {
  const data: OutputEvent = {
    stream: frame.stream,
    atMs: frame.atMs,
    base64: Buffer.from(frame.data).toString('base64'),
  };
  return sse('output', JSON.stringify(data), id);
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
