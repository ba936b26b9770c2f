import { toTidepoolError } from '../domain/errors.ts';
import { attemptId, type Job } from '../domain/job.ts';
import { Backoff } from '../reconcile/backoff.ts';
import { cancelTopic } from './cancel.ts';
import type { JobContext } from './context.ts';
import { whereabouts } from './whereabouts.ts';

const pauses = { firstPauseMs: 250, longestPauseMs: 5_000 };

/** While an attempt lasts, passes a cancellation on to its agent. Never rejects: what fails is tried again. */
export async function passCancellation(context: JobContext, job: Job, signal: AbortSignal): Promise<void> {
  const subscription = context.changes.subscribe(cancelTopic(job.id));
  const backoff = new Backoff(`cancellation of ${job.id}`, pauses);
  try {
    while (!signal.aborted) {
      const done = await tryToPass(context, job).catch((error: unknown) => {
        context.log(`job ${job.id}: cannot stop it on ${job.vmName} yet: ${toTidepoolError(error).message}`);
        return 'later' as const;
      });
      if (done === 'passed') return;
      if (done === 'not_wanted') await subscription.wait(signal);
      else {
        const pauseMs = backoff.failed(context.clock.uptimeMs());
        await context.clock.sleep(pauseMs, signal).catch(() => undefined);
      }
    }
  } finally {
    subscription.close();
  }
}

/** `later`: its worker cannot be reached now, or it is not known there yet. */
async function tryToPass(context: JobContext, job: Job): Promise<'passed' | 'not_wanted' | 'later'> {
  const now = await context.store.jobs.get(job.id);
  if (now?.cancelRequested !== true) return 'not_wanted';
  const place = await whereabouts(context.store, job.vmName);
  if (place.kind === 'lost') return 'passed';
  if (place.kind === 'unknown') return 'later';
  await context.link.stop(place.agent, attemptId(job.id, job.attempt));
  return 'passed';
}
