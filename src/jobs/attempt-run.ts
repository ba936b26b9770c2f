import type { AgentAddress } from '../domain/agent-link.ts';
import { hasCode, TidepoolError, toTidepoolError } from '../domain/errors.ts';
import { attemptId, emptyResult, type Job, jobCan } from '../domain/job.ts';
import type { Requeue } from '../domain/job-store.ts';
import type { AttemptReport } from '../protocol/agent.ts';
import { Backoff } from '../reconcile/backoff.ts';
import { type Subscription, vmTopic } from '../reconcile/changes.ts';
import { withDeadline } from '../reconcile/deadline.ts';
import type { Gate } from '../reconcile/gate.ts';
import { OwnParts, OwnTrouble, own } from '../reconcile/own-trouble.ts';
import { attemptSpec } from './attempt-spec.ts';
import { cancelTopic } from './cancel.ts';
import { type CollectedFiles, collectFiles } from './collect-files.ts';
import type { JobContext } from './context.ts';
import { faultOf, faultOfReport, isFree, triesOf } from './fault.ts';
import { followOutput } from './follow-output.ts';
import { checkInputs, inputFiles } from './inputs.ts';
import { jobResultOf, jobStateOf } from './outcome.ts';
import type { OwnAlert } from './own-alert.ts';
import { passCancellation } from './pass-cancellation.ts';
import type { Removals } from './removals.ts';
import { whereabouts } from './whereabouts.ts';
import type { WorkerTrust } from './worker-trust.ts';

/** Why the parts of an attempt are let go: made once, since making an error is not cheap. */
const over = new TidepoolError('aborted', 'the attempt is over');
const noFiles: CollectedFiles = { files: [], dropped: 0 };
/** Pauses between tries to reach a worker that is believed to live. */
const askAgain = { firstPauseMs: 250, longestPauseMs: 5_000 };
/** A worker that is not known to be dead is looked for this often, unless a change of it comes first. */
const lookMs = 250;
/** A worker that refuses this often to end an attempt is destroyed for it. */
const mostRefusals = 5;

/** What all attempts share. */
export interface AttemptParts {
  readonly context: JobContext;
  readonly removals: Removals;
  readonly trust: WorkerTrust;
  readonly alert: OwnAlert;
  /** Bounds how many attempts are taken up at one time. */
  readonly gate: Gate;
}

/** A worker's fault, for which the attempt goes back to the queue as soon as it is known not to execute any more. */
interface GivingBack {
  readonly message: string;
  refusals: number;
}

/**
 * Carries one attempt of a job from `starting` to its end: start, follow the output, wait for the end, bring the files,
 * write it all down in one transaction. Every step may be repeated, so the same code takes up an attempt that an earlier
 * server process began: the agent starts an id once, and the log goes on where our copy ends. What goes wrong is judged in
 * fault.ts, and after each failure it waits.
 */
export class AttemptRun {
  readonly #parts: AttemptParts;
  readonly #context: JobContext;
  readonly #job: Job;
  readonly #id: string;
  readonly #asking: Backoff;
  readonly #trouble: Backoff;
  /** The agent may know the attempt already. */
  #isKnown: boolean;
  #mustCheck: boolean;
  /** The agent's upload was broken off by trouble of ours, or may have been. */
  #isCut = false;
  #givingBack: GivingBack | undefined;

  /** @param isResumed an earlier process, or an earlier run of this one, began it */
  constructor(parts: AttemptParts, job: Job, isResumed: boolean) {
    this.#parts = parts;
    this.#context = parts.context;
    this.#job = job;
    this.#id = attemptId(job.id, job.attempt);
    this.#asking = new Backoff(`attempt ${this.#id}`, askAgain);
    this.#trouble = new Backoff(`attempt ${this.#id}`);
    this.#isKnown = isResumed;
    // The caller's list may be older than this job's end; an ended attempt must not be started again.
    this.#mustCheck = isResumed;
  }

  /** Resolves when the job is ended or queued again, or when the signal fires (the attempt then goes on without us). */
  async run(signal: AbortSignal): Promise<void> {
    const { changes } = this.#context;
    const stopWatching = new AbortController();
    const watch = AbortSignal.any([signal, stopWatching.signal]);
    const cancelling = passCancellation(this.#context, this.#job, watch);
    const worker = changes.subscribe(vmTopic(this.#job.vmName ?? ''), cancelTopic(this.#job.id));
    try {
      while (!signal.aborted && !(await this.#turn(worker, signal))) {
        // Each turn waits by itself when it must.
      }
    } finally {
      stopWatching.abort(over);
      worker.close();
      this.#parts.alert.recovered(this.#job.id);
      await cancelling;
      changes.notify(this.#job.id);
      changes.notify('queue');
    }
  }

  /** One try. Returns whether the attempt is over. */
  async #turn(worker: Subscription, signal: AbortSignal): Promise<boolean> {
    try {
      return await this.#try(worker, signal);
    } catch (error) {
      if (signal.aborted) return true;
      await this.#pause(worker, await this.#failed(error), signal);
      return false;
    }
  }

  /** Returns how long to wait before the next try, in milliseconds. */
  async #failed(thrown: unknown): Promise<number> {
    const fault = faultOf(thrown);
    const { context, alert } = this.#parts;
    const { id, vmName } = this.#job;
    const nowMs = context.clock.uptimeMs();
    this.#isKnown = true;
    if (fault.of === 'ours') {
      context.log(`job ${id}: it waits for something of ours: ${fault.message}`);
      await alert.failed(id, toTidepoolError(thrown));
      return this.#trouble.failed(nowMs);
    }
    if (fault.consequence !== 'give_back') return this.#asking.failed(nowMs);
    if (this.#givingBack === undefined) {
      context.log(`job ${id}: the worker ${vmName} could not run it: ${fault.message}`);
      this.#givingBack = { message: fault.message, refusals: 0 };
      if (fault.isStrike) await this.#strike(fault.message);
      return 0;
    }
    this.#givingBack.refusals += 1;
    if (this.#givingBack.refusals >= mostRefusals) await this.#parts.trust.destroy(vmName, fault.message);
    return this.#asking.failed(nowMs);
  }

  async #try(worker: Subscription, signal: AbortSignal): Promise<boolean> {
    const { context, removals, trust } = this.#parts;
    const { vmName } = this.#job;
    if (this.#mustCheck && !(await this.#isCurrent())) return true;
    this.#mustCheck = false;
    const place = await own(() => whereabouts(context.store, vmName));
    if (place.kind === 'lost') {
      await this.#giveBack({ outcome: 'requeued' }, `its worker ${vmName} was lost`);
      return true;
    }
    if (place.kind === 'unknown') {
      this.#isKnown = true;
      await this.#pause(worker, lookMs, signal);
      return false;
    }
    const { agent } = place;
    if (this.#givingBack !== undefined) return this.#endOnWorker(agent, this.#givingBack);
    const copiedBytes = this.#isKnown ? await own(() => context.logs.size(this.#job.id, this.#job.attempt)) : 0;
    const isStarted = this.#isKnown && (await this.#parts.gate.run(() => this.#hasAttempt(agent)));
    if (!isStarted && copiedBytes > 0)
      throw new TidepoolError('upstream', `it has forgotten ${this.#id} of which there is output`);
    if (!isStarted && this.#isKnown && (await this.#endCancelled())) return true;
    const { report, logBytes } = await this.#throughToEnd(agent, isStarted, copiedBytes, signal);
    const fault = faultOfReport(report, this.#isCut);
    if (fault.of === 'job') {
      await this.#finish(agent, report, logBytes);
      await trust.succeeded(agent.keyId);
    } else if (fault.of === 'ours') {
      await context.link.remove(agent, [this.#id]);
      this.#isCut = false;
      return false;
    } else if (fault.consequence === 'send_again') {
      await this.#sendAgain(agent, fault.message);
    } else {
      if (fault.consequence === 'give_back' && fault.isStrike) await this.#strike(fault.message);
      await this.#giveBack(excluding(agent), `the worker ${vmName} could not run it: ${fault.message}`);
    }
    removals.add(vmName, this.#id);
    return true;
  }

  async #isCurrent(): Promise<boolean> {
    const now = await own(() => this.#context.store.jobs.get(this.#job.id));
    return now !== undefined && now.attempt === this.#job.attempt && jobCan(now.state, 'finish');
  }

  /** A strike for the worker, unless the job has failed on others too: then it is likely the job's doing. */
  async #strike(message: string): Promise<void> {
    const { context, trust } = this.#parts;
    const earlier = await own(() => context.store.jobs.attempts(this.#job.id));
    if (earlier.some(({ outcome }) => outcome === 'worker_fault')) return;
    await trust.strike(this.#job.vmName, message);
  }

  /** Before the job goes back to the queue the agent must have ended the attempt, or the worker must be dead. */
  async #endOnWorker(agent: AgentAddress, { message }: GivingBack): Promise<boolean> {
    await this.#context.link.remove(agent, [this.#id]);
    await this.#giveBack(excluding(agent), `the worker ${this.#job.vmName} could not run it: ${message}`);
    return true;
  }

  /** @param isStarted the agent knows it already; else it gets it now */
  async #throughToEnd(
    agent: AgentAddress,
    isStarted: boolean,
    copiedBytes: number,
    signal: AbortSignal,
  ): Promise<{ readonly report: AttemptReport; readonly logBytes: number }> {
    const { context } = this.#parts;
    const { id, attempt } = this.#job;
    if (!isStarted) await own(() => checkInputs(this.#job.spec, context.blobs, signal));
    const parts = new OwnParts();
    let noted = Promise.resolve();
    const onRunning = (): void => {
      noted = this.#noteRunning();
    };
    const following = { signal, onRunning };
    const output = isStarted
      ? context.link.output(agent, this.#id, copiedBytes, following)
      : context.link.run(
          agent,
          await own(() => attemptSpec(context, this.#job)),
          parts.files(inputFiles(this.#job.spec, context.blobs, context.archives)),
          following,
        );
    const onProgress = (): void => {
      this.#asking.succeeded();
      this.#trouble.succeeded();
      this.#parts.alert.recovered(id);
    };
    const end = await parts
      .call(() => followOutput(context, this.#job, output, copiedBytes, parts, onProgress))
      .catch((error: unknown) => {
        if (!isStarted && error instanceof OwnTrouble) this.#isCut = true;
        throw error;
      });
    await noted;
    if (end.logBytes > 0) await own(() => context.logs.sync(id, attempt));
    return end;
  }

  async #hasAttempt(agent: AgentAddress): Promise<boolean> {
    try {
      await this.#context.link.report(agent, this.#id);
      return true;
    } catch (error) {
      if (hasCode(error, 'not_found')) return false;
      throw error;
    }
  }

  /** For people who look at the job: that it could not be written down is in nobody's way. */
  async #noteRunning(): Promise<void> {
    const { store, clock, changes, log } = this.#context;
    const { id, attempt } = this.#job;
    try {
      if (await store.jobs.markRunning(id, attempt, clock.now())) changes.notify(id);
    } catch (error) {
      log(`job ${id}: that it runs could not be written down: ${faultMessage(error)}`);
    }
  }

  async #finish(agent: AgentAddress, report: AttemptReport, logBytes: number): Promise<void> {
    const { context } = this.#parts;
    const { id, attempt } = this.#job;
    using blobs = context.blobs.hold();
    const parts = new OwnParts();
    const collected =
      report.producedFiles === 0
        ? noFiles
        : await parts.call(() => collectFiles(context, this.#job, agent, blobs, parts));
    await own(async () => {
      await context.store.jobs.finish(id, attempt, {
        state: jobStateOf(report.outcome ?? 'lost'),
        result: jobResultOf(report, collected.dropped),
        files: collected.files,
        logBytes: logBytes + (await this.#logBytes(attempt)),
        nowMs: context.clock.now(),
      });
    });
    context.changes.notify(id);
  }

  /** Bytes of the frame logs of the attempts before this one. */
  async #logBytes(before: number): Promise<number> {
    let bytes = 0;
    for (let number = 1; number < before; number += 1) bytes += await this.#context.logs.size(this.#job.id, number);
    return bytes;
  }

  /** Of an attempt that was never begun: ends it when somebody wants it ended, since no agent will. Returns whether it did. */
  async #endCancelled(): Promise<boolean> {
    const { store, clock } = this.#context;
    const { id, attempt } = this.#job;
    return own(async () => {
      if ((await store.jobs.get(id))?.cancelRequested !== true) return false;
      const result = { ...emptyResult, message: 'before it was started' };
      const logBytes = await this.#logBytes(attempt);
      await store.jobs.finish(id, attempt, { state: 'cancelled', result, files: [], logBytes, nowMs: clock.now() });
      return true;
    });
  }

  async #sendAgain(agent: AgentAddress, message: string): Promise<void> {
    const attempts = await own(() => this.#context.store.jobs.attempts(this.#job.id));
    const how: Requeue = isFree(attempts) ? { outcome: 'not_started' } : excluding(agent);
    await this.#giveBack(how, `its files did not arrive at ${this.#job.vmName}: ${message}`);
  }

  /** The attempt does not execute any more: the job goes back to the queue, or was tried often enough. */
  async #giveBack(how: Requeue, message: string): Promise<void> {
    const { context } = this.#parts;
    const { id, attempt } = this.#job;
    await own(async () => {
      const { jobs } = context.store;
      const logBytes = await this.#logBytes(attempt + 1);
      const tries = triesOf(await jobs.attempts(id));
      const nowMs = context.clock.now();
      if (how.outcome === 'not_started' || tries < context.maxAttempts) {
        context.log(`job ${id}: ${message}; queued again`);
        await jobs.requeue(id, attempt, nowMs, { ...how, logBytes });
        return;
      }
      const isCancelled = (await jobs.get(id))?.cancelRequested === true;
      const text = tries === 1 ? message : `${message}; it was tried ${tries} times`;
      const result = { ...emptyResult, message: text };
      await jobs.finish(id, attempt, { state: isCancelled ? 'cancelled' : 'lost', result, files: [], logBytes, nowMs });
    });
  }

  async #pause(worker: Subscription, ms: number, signal: AbortSignal): Promise<void> {
    if (ms > 0) await withDeadline(this.#context.clock, ms, signal, (limited) => worker.wait(limited));
  }
}

function excluding(agent: AgentAddress): Requeue {
  return { outcome: 'worker_fault', excludedKeyId: agent.keyId };
}

function faultMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
