import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type AgentClock, sleep } from './clock.ts';

/**
 * One cgroup (v2) by its folder. Calls are synchronous: cgroupfs is in memory, and a hop through the thread pool costs
 * more than the call (and waits when a job keeps the disk busy).
 */
export class Cgroup {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** Makes it, unless it is there. */
  create(settings: Readonly<Record<string, string>>): void {
    if (!this.exists) mkdirSync(this.path);
    for (const [file, value] of Object.entries(settings)) this.write(file, value);
  }

  write(file: string, value: string): void {
    writeFileSync(`${this.path}/${file}`, value);
  }

  read(file: string): string {
    return readFileSync(`${this.path}/${file}`, 'utf8');
  }

  get exists(): boolean {
    return existsSync(this.path);
  }

  add(pid: number): void {
    this.write('cgroup.procs', String(pid));
  }

  /** Process ids of this cgroup itself, in the guest's numbering. */
  processes(): number[] {
    return this.read('cgroup.procs')
      .split('\n')
      .filter((line) => line !== '')
      .map(Number);
  }

  /**
   * Kills everything in it and below it, and returns when nothing is left. A process in the kernel's uninterruptible
   * sleep ends as soon as the kernel lets it, so this has no time limit of its own.
   */
  async killAll(clock: AgentClock): Promise<void> {
    for (let pauseMs = 1; this.#isPopulated(); pauseMs = Math.min(pauseMs * 2, 100)) {
      this.write('cgroup.kill', '1');
      await sleep(clock, pauseMs);
    }
  }

  /** Removes it and all below it; they must be empty of processes. */
  remove(): void {
    if (removeEmpty(this.path)) return;
    for (const entry of readdirSync(this.path, { withFileTypes: true })) {
      if (entry.isDirectory()) new Cgroup(join(this.path, entry.name)).remove();
    }
    rmdirSync(this.path);
  }

  /** Whether a process is in it or below it. */
  #isPopulated(): boolean {
    return this.exists && /^populated 1$/m.test(this.read('cgroup.events'));
  }

  /** CPU time that its processes have used. */
  get cpuMs(): number {
    return Math.round(flatKeyed(this.read('cpu.stat'), 'usage_usec') / 1000);
  }

  usage(): CgroupUsage {
    const peakMemoryBytes = Number(this.read('memory.peak'));
    const limits = [this.read('memory.max'), new Cgroup(dirname(this.path)).read('memory.max')];
    return {
      cpuMs: this.cpuMs,
      peakMemoryBytes,
      ...memoryEvents(this.read('memory.events'), peakMemoryBytes, limits),
      processLimitHit: flatKeyed(this.read('pids.events'), 'max') > 0,
    };
  }
}

/** Whether it is gone; not when there are cgroups below. */
function removeEmpty(path: string): boolean {
  try {
    rmdirSync(path);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ENOENT';
  }
}

/** Usage of a cgroup's processes, and the limits that they ran into. */
export interface CgroupUsage {
  readonly cpuMs: number;
  readonly peakMemoryBytes: number;
  /** The kernel killed at the memory limit. */
  readonly memoryLimitHit: boolean;
  /** The kernel killed because memory above it ran out, while it kept to its own limit. */
  readonly killedForOthers: boolean;
  /** A fork or a new thread was refused. */
  readonly processLimitHit: boolean;
}

/** A job that has used this share of the memory has used it up, whatever the rest was for. */
const wholeShare = 0.8;

/**
 * Returns whose memory ran out, by `memory.events` of a cgroup: the kernel counts `oom` in the cgroup whose limit was reached,
 * and `oom_kill` in the cgroup of the killed process. A job whose limit is nearly that of all jobs together reaches the common
 * limit before its own, by itself. Pure.
 * @param limits `memory.max` of the cgroup and of the one above it
 */
export function memoryEvents(
  text: string,
  peakBytes: number,
  limits: readonly string[],
): Pick<CgroupUsage, 'memoryLimitHit' | 'killedForOthers'> {
  const isKilled = flatKeyed(text, 'oom_kill') > 0;
  const bytes = limits.map((limit) => Number(limit)).filter((limit) => !Number.isNaN(limit));
  const isOwnLimit = flatKeyed(text, 'oom') > 0 || peakBytes >= wholeShare * Math.min(...bytes);
  return { memoryLimitHit: isKilled && isOwnLimit, killedForOthers: isKilled && !isOwnLimit };
}

/** The number of this key in the kernel's `key number` lines; 0 when there is none. */
export function flatKeyed(text: string, key: string): number {
  const at = `\n${text}`.indexOf(`\n${key} `);
  return at < 0 ? 0 : Number.parseInt(text.slice(at + key.length + 1), 10);
}
