import { cpus } from 'node:os';
import { join } from 'node:path';
import { TidepoolError } from '../domain/errors.ts';
import { type AttemptReport, type AttemptSpec, newReport } from '../protocol/agent.ts';
import { Attempt } from './attempt.ts';
import { attemptPlan } from './attempt-plan.ts';
import { AttemptStore } from './attempt-store.ts';
import type { AgentClock } from './clock.ts';
import { ContainerRun, type SendTerm } from './container-run.ts';
import { jobUid } from './container-spec.ts';
import { copyFolder } from './copy-folder.ts';
import { diskQuota } from './limits.ts';
import { endWithoutStart, lapsedMessage } from './outcome.ts';
import { OutputLog } from './output-log.ts';
import type { AgentPaths } from './paths.ts';
import type { Runtimes, RuntimeUse } from './runtimes.ts';
import type { Slot } from './slot.ts';
import type { Slots } from './slots.ts';
import { type UnpackOptions, unpackFiles } from './unpack.ts';
import type { WorkLease } from './work-lease.ts';

/** All attempts that this agent knows: those that run, and those that ended and were not removed yet. */
export class Attempts {
  readonly #known = new Map<string, Attempt>();
  /** Starts whose files still arrive. */
  readonly #arriving = new Map<string, Promise<AttemptReport>>();
  /** Settled when an attempt's end is written down. */
  readonly #running = new Map<string, Promise<void>>();
  readonly #store: AttemptStore;
  readonly #slots: Slots;
  readonly #runtimes: Runtimes;
  readonly #clock: AgentClock;
  readonly #lease: WorkLease;
  readonly #sendTerm: SendTerm;
  /** Asking for it reads much more than a number. */
  readonly #cpus = cpus().length;
  readonly #log: (line: string) => void;

  constructor(fields: {
    slots: Slots;
    runtimes: Runtimes;
    paths: AgentPaths;
    clock: AgentClock;
    lease: WorkLease;
    sendTerm: SendTerm;
    log: (line: string) => void;
  }) {
    this.#sendTerm = fields.sendTerm;
    this.#slots = fields.slots;
    this.#runtimes = fields.runtimes;
    this.#clock = fields.clock;
    this.#lease = fields.lease;
    this.#log = fields.log;
    const { records, state } = fields.paths;
    this.#store = new AttemptStore(records, join(state, 'logs'));
  }

  /** Takes up what an earlier agent process left; to be called once nothing of it runs any more. */
  async restore(): Promise<void> {
    for (const { record, logBytes } of await this.#store.load()) {
      const { id } = record.report;
      const log = OutputLog.ended(this.#store.logPath(id), this.#clock, logBytes);
      const attempt = new Attempt({ ...record, log, clock: this.#clock });
      if (record.place !== null) this.#slots.reserve(record.place.slotNumber);
      this.#known.set(id, attempt);
      if (attempt.isEnded) continue;
      await attempt.end('lost', { fault: 'worker', message: "the worker's agent was restarted under it" });
      this.#settle(attempt);
    }
  }

  get runningCount(): number {
    let count = 0;
    for (const attempt of this.#known.values()) if (!attempt.isEnded) count += 1;
    return count;
  }

  reports(): AttemptReport[] {
    return [...this.#known.values()].map((attempt) => attempt.report);
  }

  find(id: string): Attempt | undefined {
    return this.#known.get(id);
  }

  /** Error: `not_found`. */
  get(id: string): Attempt {
    const attempt = this.find(id);
    if (attempt === undefined) throw new TidepoolError('not_found', `this VM has no attempt ${id}`);
    return attempt;
  }

  /**
   * Takes an attempt's files in and starts it; a known one (also one whose files arrive now) is only reported. One that does
   * not start has ended, and its report says whose fault it was, so that whoever asks for it later learns that it will not run.
   * Errors: `invalid`, `too_large` (the job's own); `not_found` (no such runtime), `exhausted`, `internal` (this worker's);
   * `aborted` (the files did not arrive); `unavailable` (this worker may not work now).
   */
  async start(spec: AttemptSpec, files: AsyncIterable<Uint8Array>): Promise<AttemptReport> {
    const runtime = await this.#runtimes.use(spec.runtime);
    // From here to the end of this function nothing else runs, so of two requests only one gets to start it.
    const known = this.#known.get(spec.id)?.report ?? this.#arriving.get(spec.id);
    if (known !== undefined || this.#lease.isLapsed) {
      runtime.end();
      if (known !== undefined) return known;
      throw new TidepoolError('unavailable', lapsedMessage);
    }
    const started = this.#startNew(spec, runtime, files).finally(() => this.#arriving.delete(spec.id));
    this.#arriving.set(spec.id, started);
    return started;
  }

  async #startNew(spec: AttemptSpec, runtime: RuntimeUse, files: AsyncIterable<Uint8Array>): Promise<AttemptReport> {
    const { slot, attempt } = await this.#receive(spec, runtime, files).catch((error: unknown) => {
      runtime.end();
      throw error;
    });
    const running = this.#run(attempt, spec, slot, runtime).finally(() => {
      runtime.end();
      this.#running.delete(spec.id);
    });
    this.#running.set(spec.id, running);
    return attempt.report;
  }

  async #receive(
    spec: AttemptSpec,
    runtime: RuntimeUse,
    files: AsyncIterable<Uint8Array>,
  ): Promise<{ readonly slot: Slot; readonly attempt: Attempt }> {
    const slot = await this.#slots.take();
    const attempt = this.#create(spec, slot);
    try {
      await receiveFiles(spec, slot, runtime.path, untilStopped(files, attempt));
    } catch (error) {
      await attempt.end(...endWithoutStart(error, attempt.isStopAsked));
      this.#settle(attempt);
      throw error;
    }
    return { slot, attempt };
  }

  /** Ends all that runs or is about to, because this worker may not work any more. */
  lapse(): void {
    for (const attempt of this.#known.values()) if (!attempt.isEnded) attempt.lapse();
  }

  /** Forgets attempts and frees their disk; those that run are killed first. Unknown ones are passed over. */
  async remove(ids: readonly string[]): Promise<void> {
    await Promise.all(ids.map((id) => this.#remove(id)));
  }

  async #remove(id: string): Promise<void> {
    this.find(id)?.stop(true);
    await this.#arriving.get(id)?.catch(() => undefined);
    const attempt = this.find(id);
    attempt?.stop(true);
    await this.#running.get(id);
    // Of two removals at a time one is too late.
    if (attempt === undefined || !this.#known.delete(id)) return;
    this.#freeSlot(attempt);
    await this.#store.remove(id);
  }

  /** Writes down that it is there. When that fails it is not, and the slot is free again. */
  #create(spec: AttemptSpec, slot: Slot): Attempt {
    const { id, limits } = spec;
    let log: OutputLog | undefined;
    try {
      log = OutputLog.create(this.#store.logPath(id), this.#clock, limits.outputBytes);
      const place = { slotNumber: slot.number, workPath: slot.workPath };
      const report = newReport(id);
      const attempt = new Attempt({ report, log, place, diskBytes: limits.diskBytes, clock: this.#clock });
      this.#save(attempt);
      this.#known.set(id, attempt);
      return attempt;
    } catch (cause) {
      void this.#slots.release(slot.number);
      void log?.close();
      this.#store.remove(id).catch((error: unknown) => this.#log(`attempt ${id}: ${textOf(error)}`));
      throw new TidepoolError('internal', `this worker cannot keep an attempt: ${textOf(cause)}`, { cause });
    }
  }

  async #run(attempt: Attempt, spec: AttemptSpec, slot: Slot, runtime: RuntimeUse): Promise<void> {
    const plan = attemptPlan(spec, slot, runtime.path, this.#cpus);
    const run = new ContainerRun(plan, slot, this.#clock, this.#sendTerm);
    const begunMs = this.#lease.uptimeMs;
    const hasLapsed = (): boolean => this.#lease.hasLapsedSince(begunMs);
    await attempt.runToEnd(spec, slot.workPath, run, runtime.checker, hasLapsed);
    this.#settle(attempt);
  }

  /**
   * Writes an end down. Without files to be fetched the slot is another's from now on. When it cannot be written down, it is
   * known all the same until the agent is restarted.
   */
  #settle(attempt: Attempt): void {
    if (attempt.report.producedFiles === 0) this.#freeSlot(attempt);
    try {
      this.#save(attempt);
    } catch (error) {
      this.#log(`attempt ${attempt.report.id}: its end cannot be written down: ${textOf(error)}`);
    }
  }

  /** Emptying the folder may take long, and nobody need wait for it. */
  #freeSlot(attempt: Attempt): void {
    const number = attempt.leaveSlot();
    if (number !== null) void this.#slots.release(number);
  }

  #save(attempt: Attempt): void {
    const { report, place, diskBytes } = attempt;
    this.#store.save({ report, place, diskBytes });
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function receiveFiles(
  spec: AttemptSpec,
  slot: Slot,
  runtimePath: string,
  files: AsyncIterable<Uint8Array>,
): Promise<void> {
  const { limits, entrypoint, image } = spec;
  const into: UnpackOptions = {
    folder: slot.workPath,
    owner: slot.firstUid + jobUid,
    maxBytes: limits.diskBytes,
    maxFiles: diskQuota(limits.diskBytes).inodes,
  };
  const paths = await unpackFiles(files, into);
  if (image !== null && image.workingFolder !== null) await copyFolder(runtimePath, image.workingFolder, into);
  if (image !== null && image.command !== null) return;
  if (!paths.has(entrypoint)) throw new TidepoolError('invalid', `${entrypoint} is not among the files`);
}

async function* untilStopped(files: AsyncIterable<Uint8Array>, attempt: Attempt): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of files) {
      if (attempt.isStopAsked) throw new TidepoolError('aborted', 'it was stopped');
      yield chunk;
    }
  } catch (cause) {
    if (cause instanceof TidepoolError) throw cause;
    throw new TidepoolError('aborted', `the connection broke: ${textOf(cause)}`, { cause });
  }
}
