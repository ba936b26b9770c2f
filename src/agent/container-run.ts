import { existsSync, readFileSync, statfsSync, writeFileSync } from 'node:fs';
import type { Readable } from 'node:stream';
import type { OutputStream } from '../protocol/output-frames.ts';
import { type AgentClock, sleep } from './clock.ts';
import type { containerSpec } from './container-spec.ts';
import type { DiskQuota } from './limits.ts';
import type { RunFacts, StopReason } from './outcome.ts';
import { removeTree } from './remove-tree.ts';
import { openPipes, type Slot, type SlotPipes, startContainer } from './slot.ts';

/** Sends TERM to a process of the guest; one that is gone already is no error. */
export type SendTerm = (pid: number) => void;

const smallPieceBytes = 16 * 1024;
const gatherMs = 5;
const killAgainMs = 100;
const maxCrunLogChars = 1_000;

/** What runs, and under which limits. */
export interface RunPlan {
  /** Its first process is `container-init.ts`'s. */
  readonly container: ReturnType<typeof containerSpec>;
  /** Settings of its cgroup, by file. */
  readonly cgroup: Readonly<Record<string, string>>;
  readonly quota: DiskQuota;
  /** Null: none. */
  readonly timeoutMs: number | null;
  /** From TERM to KILL, when it is stopped. */
  readonly graceMs: number;
}

/** Where output goes. */
export interface OutputSink {
  /** Resolves when there is room for more, which holds a fast writer back. */
  append(stream: OutputStream, data: Uint8Array): Promise<void>;
  /** Some was dropped because of a limit. */
  readonly isTruncated: boolean;
}

/**
 * One run of a program in a slot's container, from start to the last process's end. `stop` may be called at any time and
 * more than once; the first reason counts.
 */
export class ContainerRun {
  readonly #plan: RunPlan;
  readonly #slot: Slot;
  readonly #clock: AgentClock;
  readonly #sendTerm: SendTerm;
  #stopReason: StopReason | null = null;
  #cancelKill: () => void = () => undefined;
  #isOver = false;

  constructor(plan: RunPlan, slot: Slot, clock: AgentClock, sendTerm: SendTerm) {
    this.#plan = plan;
    this.#slot = slot;
    this.#clock = clock;
    this.#sendTerm = sendTerm;
  }

  /** Runs to the end. @param onStart called when the container is on its way, which is when its time begins */
  async run(log: OutputSink, onStart: () => void): Promise<RunFacts> {
    const slot = this.#slot;
    writeFileSync(slot.configPath, JSON.stringify(this.#plan.container));
    // One that could not be removed has counted what an earlier attempt did.
    if (slot.cgroup.exists) slot.cgroup.remove();
    slot.cgroup.create(this.#plan.cgroup);
    let pipes: SlotPipes | undefined;
    try {
      pipes = openPipes(slot);
      return await this.#runWith(pipes, log, onStart);
    } catch (error) {
      await slot.cgroup.killAll(this.#clock);
      slot.cgroup.remove();
      throw error;
    } finally {
      pipes?.destroy();
    }
  }

  async #runWith(pipes: SlotPipes, log: OutputSink, onStart: () => void): Promise<RunFacts> {
    const slot = this.#slot;
    const reading = Promise.all([
      copyOutput(pipes.stdout, 'stdout', log, this.#clock),
      copyOutput(pipes.stderr, 'stderr', log, this.#clock),
    ]);
    reading.catch(() => undefined); // It is awaited below, which may be long after it failed.
    onStart();
    const { timeoutMs, quota } = this.#plan;
    const cancelTimeout = timeoutMs === null ? null : this.#clock.after(timeoutMs, () => this.stop('timed_out'));
    const crunExitCode = await startContainer(slot, quota).finally(() => {
      this.#isOver = true;
      cancelTimeout?.();
      this.#cancelKill();
    });
    // The script is gone, and with it the container's init; what it left in the background goes now.
    await slot.cgroup.killAll(this.#clock);
    pipes.release();
    const status = pipes.readStatus();
    await reading;
    const usage = slot.cgroup.usage();
    slot.cgroup.remove();
    const isStarted = existsSync(slot.pidPath);
    const crunLog = readFileSync(slot.crunLogPath, 'utf8').trim().slice(0, maxCrunLogChars);
    if (existsSync(slot.crunPath)) await removeTree(slot.crunPath);
    return {
      crunExitCode,
      isStarted,
      status,
      crunLog,
      stopReason: this.#stopReason,
      usage,
      isDiskFull: isDiskFull(slot.workPath),
      isOutputTruncated: log.isTruncated,
    };
  }

  /** TERM to the script; after the grace, or at once when that is asked for, KILL to the whole cgroup. */
  stop(reason: StopReason, isAtOnce = false): void {
    if (this.#isOver) return;
    const isFirst = this.#stopReason === null;
    this.#stopReason ??= reason;
    if (isAtOnce) {
      this.#kill();
    } else if (isFirst) {
      this.#cancelKill = this.#clock.after(this.#plan.graceMs, () => this.#kill());
      this.#terminate();
    }
  }

  /** Again and again: crun may be on its way into the cgroup. */
  #kill(): void {
    this.#cancelKill();
    if (this.#isOver) return;
    this.#slot.cgroup.write('cgroup.kill', '1');
    this.#cancelKill = this.#clock.after(killAgainMs, () => this.#kill());
  }

  /** Process ids in the container, its init's too, in the guest's numbering. */
  processes(): number[] {
    const { cgroup, launcher } = this.#slot;
    if (!cgroup.exists) return [];
    const crun = launcher.running;
    return cgroup.processes().filter((pid) => pid !== crun);
  }

  /** The container's init ignores TERM, as process 1 does, and crun only hands it on to that; so all others get it. */
  #terminate(): void {
    const inContainer = this.processes();
    // Init alone, or not even that: the script has not begun and has nothing to put in order.
    if (inContainer.length < 2) this.#kill();
    else inContainer.forEach(this.#sendTerm);
  }
}

/**
 * Output is taken at once. Only of small pieces that come fast the next is looked at a moment later, in which more gathers
 * in the pipe: a script that writes byte by byte would otherwise wake the agent for each.
 */
async function copyOutput(source: Readable, stream: OutputStream, log: OutputSink, clock: AgentClock): Promise<void> {
  let lastAtMs = Number.NEGATIVE_INFINITY;
  for await (const chunk of source) {
    await log.append(stream, chunk);
    const isFast = clock.uptimeMs() - lastAtMs < 2 * gatherMs;
    if (isFast && chunk.length < smallPieceBytes) await sleep(clock, gatherMs);
    lastAtMs = clock.uptimeMs();
  }
}

/** With a project quota, statfs of its folder tells about the quota and not about the disk. */
function isDiskFull(workPath: string): boolean {
  const { bavail, ffree } = statfsSync(workPath);
  return bavail <= 1 || ffree === 0;
}
