import type { AgentAddress } from '../domain/agent-link.ts';
import { hasCode, TidepoolError, toTidepoolError } from '../domain/errors.ts';
import { attemptId, emptyResult, type Job, jobCan } from '../domain/job.ts';
import { runtimeOf } from '../domain/requirements.ts';
import type { AttemptOutcome, AttemptReport, AttemptSpec } from '../protocol/agent.ts';
import { vmTopic } from '../reconcile/changes.ts';
import { withDeadline } from '../reconcile/deadline.ts';
import { cancelTopic } from './cancel.ts';
import { type CollectedFiles, collectFiles } from './collect-files.ts';
import type { JobContext } from './context.ts';
import { followOutput } from './follow-output.ts';
import { imageCommand } from './image-command.ts';
import { inputFiles } from './inputs.ts';
import { jobResultOf, jobStateOf } from './outcome.ts';
import type { Removals } from './removals.ts';
import { whereabouts } from './whereabouts.ts';

/** Why the parts of an attempt are let go: made once, since making an error is not cheap. */
const over = new TidepoolError('aborted', 'the attempt is over');
const noFiles: CollectedFiles = { files: [], dropped: 0 };
/** Pause between tries to reach an agent whose VM is still believed to live. */
const retryPauseMs = 250;

/**
 * Carries one attempt of a job from `starting` to its end: start, follow the output, wait for the end, bring the files,
 * write it all down in one transaction. Every step may be repeated, so the same function takes up an attempt that an
 * earlier server process began: the agent starts an id once, and the log goes on where our copy ends.
 *
 * Returns when the job is ended or queued again, or when the signal fires (the attempt then goes on without us).
 */
export async function runAttempt(
  context: JobContext,
  removals: Removals,
  job: Job,
  resumed: boolean,
  signal: AbortSignal,
): Promise<void> {
  // The caller's list may be older than this job's end; an ended attempt must not be started again.
  if (resumed && !(await isCurrent(context, job))) return;
  const stopWatching = new AbortController();
  const watch = AbortSignal.any([signal, stopWatching.signal]);
  const cancelling = stopWhenCancelled(context, job, watch);
  const changes = context.changes.subscribe(vmTopic(job.vmName ?? ''));
  try {
    let isKnown = resumed;
    for (;;) {
      const place = await whereabouts(context.store, job.vmName);
      if (place.kind === 'lost') return await workerLost(context, job);
      if (signal.aborted) return;
      if (place.kind === 'unknown') {
        isKnown = true;
        await withDeadline(context.clock, retryPauseMs, signal, (limited) => changes.wait(limited));
        continue;
      }
      const { agent } = place;
      try {
        const { report, logBytes } = await throughToEnd(context, job, agent, isKnown, signal);
        if (logBytes > 0) await context.logs.sync(job.id, job.attempt);
        await finish(context, job, agent, report, logBytes);
        return removals.add(job.vmName, report.id);
      } catch (error) {
        if (signal.aborted) return;
        if (hasCode(error, 'unavailable') || hasCode(error, 'timeout')) {
          isKnown = true;
          await context.clock.sleep(retryPauseMs, signal).catch(() => undefined);
          continue;
        }
        await giveUp(context, job, toTidepoolError(error));
        return removals.add(job.vmName, attemptId(job.id, job.attempt));
      }
    }
  } finally {
    stopWatching.abort(over);
    changes.close();
    await cancelling;
    context.changes.notify(job.id);
    context.changes.notify('queue');
  }
}

async function isCurrent(context: JobContext, job: Job): Promise<boolean> {
  const now = await context.store.jobs.get(job.id);
  return now !== undefined && now.attempt === job.attempt && jobCan(now.state, 'finish');
}

async function throughToEnd(
  context: JobContext,
  job: Job,
  agent: AgentAddress,
  isKnown: boolean,
  signal: AbortSignal,
): Promise<{ report: AttemptReport; logBytes: number }> {
  const id = attemptId(job.id, job.attempt);
  const copiedBytes = isKnown ? await context.logs.size(job.id, job.attempt) : 0;
  const isStarted = isKnown && (await hasAttempt(context, agent, id));
  if (!isStarted && copiedBytes > 0)
    throw new TidepoolError('upstream', `it has forgotten ${id} of which there is output`);
  let noted = Promise.resolve();
  const onRunning = (): void => {
    noted = markRunning(context, job);
    noted.catch(() => undefined); // It is awaited below, which may be long after it failed.
  };
  const following = { signal, onRunning };
  const output = isStarted
    ? context.link.output(agent, id, copiedBytes, following)
    : context.link.run(
        agent,
        await attemptSpec(context, job),
        inputFiles(job.spec, context.blobs, context.archives),
        following,
      );
  const end = await followOutput(context, job, output, copiedBytes);
  await noted;
  return end;
}

async function hasAttempt(context: JobContext, agent: AgentAddress, id: string): Promise<boolean> {
  try {
    await context.link.report(agent, id);
    return true;
  } catch (error) {
    if (hasCode(error, 'not_found')) return false;
    throw error;
  }
}

async function markRunning(context: JobContext, job: Job): Promise<void> {
  const changed = await context.store.jobs.markRunning(job.id, job.attempt, context.clock.now());
  if (changed) context.changes.notify(job.id);
}

async function finish(
  context: JobContext,
  job: Job,
  agent: AgentAddress,
  report: AttemptReport,
  logBytes: number,
): Promise<void> {
  const outcome: AttemptOutcome = report.outcome ?? 'lost';
  if (outcome === 'lost') return workerLost(context, job);
  using blobs = context.blobs.hold();
  const collected = report.producedFiles === 0 ? noFiles : await collectFiles(context, job, agent, blobs);
  await context.store.jobs.finish(job.id, job.attempt, {
    state: jobStateOf(outcome),
    result: jobResultOf(report, collected.dropped),
    files: collected.files,
    logBytes: logBytes + (await earlierLogBytes(context, job)),
    nowMs: context.clock.now(),
  });
  context.changes.notify(job.id);
}

/** Logs of the attempts before this one, whose workers were lost. */
async function earlierLogBytes({ logs }: JobContext, { id, attempt }: Job): Promise<number> {
  let bytes = 0;
  for (let number = 1; number < attempt; number += 1) bytes += await logs.size(id, number);
  return bytes;
}

/** The worker answers, but not as an agent should. The job ends; that it failed for our reasons is said. */
async function giveUp(context: JobContext, job: Job, error: TidepoolError): Promise<void> {
  context.log(`job ${job.id}: ${error.code}: ${error.message}`);
  const result = { ...emptyResult, message: `the worker ${job.vmName} could not run it: ${error.message}` };
  await context.store.jobs.finish(job.id, job.attempt, {
    state: 'lost',
    result,
    files: [],
    nowMs: context.clock.now(),
  });
}

async function workerLost(context: JobContext, job: Job): Promise<void> {
  const now = await context.store.jobs.get(job.id);
  const end = {
    result: { ...emptyResult, message: `its worker ${job.vmName} was lost` },
    files: [],
    nowMs: context.clock.now(),
  };
  if (now?.cancelRequested === true) {
    await context.store.jobs.finish(job.id, job.attempt, { ...end, state: 'cancelled' });
  } else if (job.attempt < context.maxAttempts) {
    context.log(`job ${job.id}: worker ${job.vmName} was lost; queued again`);
    await context.store.jobs.requeue(job.id, job.attempt, end.nowMs);
  } else {
    await context.store.jobs.finish(job.id, job.attempt, { ...end, state: 'lost' });
  }
}

/** While the attempt lasts, passes a cancellation on to its agent. */
async function stopWhenCancelled(context: JobContext, job: Job, signal: AbortSignal): Promise<void> {
  const subscription = context.changes.subscribe(cancelTopic(job.id));
  try {
    while (!signal.aborted) {
      const now = await context.store.jobs.get(job.id);
      if (now?.cancelRequested === true && (await tryStop(context, job))) return;
      await subscription.wait(signal);
    }
  } finally {
    subscription.close();
  }
}

async function tryStop(context: JobContext, job: Job): Promise<boolean> {
  const place = await whereabouts(context.store, job.vmName);
  if (place.kind === 'lost') return true;
  try {
    if (place.kind === 'here') {
      await context.link.stop(place.agent, attemptId(job.id, job.attempt));
      return true;
    }
  } catch (error) {
    context.log(`job ${job.id}: cannot stop it on ${job.vmName} yet: ${toTidepoolError(error).message}`);
  }
  // Not there yet, or not reachable now: a later wake-up tries again.
  await context.clock.sleep(retryPauseMs);
  context.changes.notify(cancelTopic(job.id));
  return false;
}

async function attemptSpec({ runtimes }: JobContext, job: Job): Promise<AttemptSpec> {
  const { entrypoint, args, limits, network, source } = job.spec;
  const runtime = runtimeOf(job.spec);
  // What is installed on top changes nothing of how the image is run.
  const image = await runtimes.image(job.spec.runtime);
  const environment = { ...image?.environment, ...job.spec.environment };
  const spec = { id: attemptId(job.id, job.attempt), runtime, entrypoint, args, environment, limits, network };
  if (image === null) return { ...spec, image };
  const { uid, gid } = image;
  if (source !== 'image') return { ...spec, image: { uid, gid, command: null, workingFolder: null } };
  const workingFolder = image.workingFolder === '/' ? null : image.workingFolder;
  return { ...spec, image: { uid, gid, command: imageCommand(image, args), workingFolder } };
}
