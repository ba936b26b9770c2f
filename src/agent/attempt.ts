import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode } from '../domain/errors.ts';
import type { AttemptOutcome, AttemptReport, AttemptSpec, SyntaxProblem } from '../protocol/agent.ts';
import { type Checker, maxSourceBytes } from './checker.ts';
import type { AgentClock } from './clock.ts';
import type { ContainerRun } from './container-run.ts';
import { endingOf, lapsedFacts, lapsedMessage } from './outcome.ts';
import type { OutputLog } from './output-log.ts';
import { listProduced } from './produced-files.ts';
import { Wakeup } from './wakeup.ts';

/** The slot that an attempt has, and its working folder there. */
export interface AttemptPlace {
  readonly slotNumber: number;
  readonly workPath: string;
}

/** One attempt in this agent's life: what is known about it, and a way to wait for its end and to stop it. */
export class Attempt {
  readonly log: OutputLog;
  readonly diskBytes: number;
  readonly #clock: AgentClock;
  readonly #changed = new Wakeup();
  #report: AttemptReport;
  #place: AttemptPlace | null;
  #run: ContainerRun | undefined;
  #isStopAsked = false;
  #isLapsed = false;

  constructor(fields: {
    report: AttemptReport;
    log: OutputLog;
    place: AttemptPlace | null;
    diskBytes: number;
    clock: AgentClock;
  }) {
    this.#report = fields.report;
    this.log = fields.log;
    this.#place = fields.place;
    this.diskBytes = fields.diskBytes;
    this.#clock = fields.clock;
  }

  get report(): AttemptReport {
    return {
      ...this.#report,
      outputLogBytes: this.log.sizeBytes,
      outputTruncated: this.log.isTruncated || this.#report.outputTruncated,
    };
  }

  /** Null once it has left it. */
  get place(): AttemptPlace | null {
    return this.#place;
  }

  /** From now on its slot may be another's. @returns the slot's number; null when it has left it before */
  leaveSlot(): number | null {
    const number = this.#place?.slotNumber ?? null;
    this.#place = null;
    return number;
  }

  /** Somebody wants it ended. */
  get isStopAsked(): boolean {
    return this.#isStopAsked;
  }

  get isEnded(): boolean {
    return this.#report.state === 'ended';
  }

  /** Resolves when it ended, or the signal fires. */
  async untilEnded(signal: AbortSignal): Promise<void> {
    while (!this.isEnded && !signal.aborted) await this.#changed.wait(signal);
  }

  /** Resolves when it runs or ended, or the signal fires. */
  async untilStarted(signal: AbortSignal): Promise<void> {
    while (this.#report.state === 'preparing' && !signal.aborted) await this.#changed.wait(signal);
  }

  /** Ends it, before its start or while it runs. Without effect on one that ended. */
  stop(isAtOnce: boolean): void {
    this.#isStopAsked = true;
    this.#run?.stop('stopped', isAtOnce);
  }

  /**
   * Checks and runs the script whose files are in the slot's folder, to the end. Never rejects: trouble is an outcome.
   * @param hasLapsed whether this worker might not work at some time since the begin
   */
  async runToEnd(
    spec: AttemptSpec,
    workPath: string,
    run: ContainerRun,
    checker: Checker,
    hasLapsed: () => boolean,
  ): Promise<void> {
    try {
      const hasCommand = spec.image !== null && spec.image.command !== null;
      const syntaxProblem = hasCommand ? undefined : await compile(spec, workPath, checker);
      if (syntaxProblem !== undefined) return await this.end('rejected', { syntaxProblem });
      const refusal = this.#refusal;
      if (refusal !== undefined) return await this.end(refusal.outcome, refusal.fields);
      await this.#runContainer(spec, workPath, run, hasLapsed);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      // What the job's own image lacks, it lacks on every worker; everything else is trouble of this one.
      if (spec.image !== null && hasCode(error, 'invalid')) await this.end('failed', { message });
      else await this.end('lost', { fault: 'worker', message: `its worker could not run it: ${message}` });
    }
  }

  /** Writes down the end; without effect on one that ended. */
  async end(outcome: AttemptOutcome, fields: Partial<AttemptReport>): Promise<void> {
    await this.log.close();
    if (this.isEnded) return;
    this.#report = { ...this.#report, endedAtMs: this.#clock.now(), ...fields, state: 'ended', outcome };
    this.#changed.notify();
  }

  /** Ends it at once, because this worker may not work any more. Without effect on one that ended. */
  lapse(): void {
    this.#isLapsed = true;
    this.#run?.stop('lapsed', true);
  }

  /** What an attempt ends with that must not start; undefined: it may. */
  get #refusal(): { readonly outcome: AttemptOutcome; readonly fields: Partial<AttemptReport> } | undefined {
    if (this.#isLapsed) return { outcome: 'lost', fields: { fault: 'worker', message: lapsedMessage } };
    return this.#isStopAsked ? { outcome: 'stopped', fields: {} } : undefined;
  }

  async #runContainer(spec: AttemptSpec, workPath: string, run: ContainerRun, hasLapsed: () => boolean): Promise<void> {
    this.#run = run;
    let startedAtMs = this.#clock.now();
    let startedMs = this.#clock.uptimeMs();
    const facts = await run.run(this.log, () => {
      startedAtMs = this.#clock.now();
      startedMs = this.#clock.uptimeMs();
      this.#report = { ...this.#report, state: 'running', startedAtMs };
      this.#changed.notify();
    });
    // The clock may have been set meanwhile.
    const wallMs = Math.round(this.#clock.uptimeMs() - startedMs);
    const { files, notice } = await listProduced(workPath, spec.limits.diskBytes);
    if (notice !== '') await this.log.notice(notice);
    const { outcome, ...ending } = endingOf(lapsedFacts(facts, hasLapsed()));
    const { cpuMs, peakMemoryBytes } = facts.usage;
    const used = { endedAtMs: startedAtMs + wallMs, wallMs, cpuMs, peakMemoryBytes };
    await this.end(outcome, { ...ending, ...used, producedFiles: files.length });
  }
}

async function compile(spec: AttemptSpec, workPath: string, checker: Checker): Promise<SyntaxProblem | undefined> {
  const path = join(workPath, spec.entrypoint);
  const { size } = statSync(path);
  if (size > maxSourceBytes) {
    const message = `the file has ${size} bytes; a script may have ${maxSourceBytes}`;
    return { file: spec.entrypoint, line: 1, column: 1, message, text: '' };
  }
  return await checker.check(spec.entrypoint, readFileSync(path));
}
