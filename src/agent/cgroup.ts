import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
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

  create(settings: Readonly<Record<string, string>>): void {
    mkdirSync(this.path, { recursive: true });
    for (const [file, value] of Object.entries(settings)) this.write(file, value);
  }

  write(file: string, value: string): void {
    writeFileSync(join(this.path, file), value);
  }

  read(file: string): string {
    return readFileSync(join(this.path, file), 'utf8');
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

  usage(): CgroupUsage {
    const memory = flatKeyed(this.read('memory.events'));
    return {
      cpuMs: Math.round((flatKeyed(this.read('cpu.stat')).get('usage_usec') ?? 0) / 1000),
      peakMemoryBytes: Number(this.read('memory.peak')),
      memoryLimitHit: (memory.get('oom_kill') ?? 0) > 0,
      processLimitHit: (flatKeyed(this.read('pids.events')).get('max') ?? 0) > 0,
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

/** What a cgroup's processes used, and the limits that they ran into. */
export interface CgroupUsage {
  readonly cpuMs: number;
  readonly peakMemoryBytes: number;
  /** The kernel killed at the memory limit. */
  readonly memoryLimitHit: boolean;
  /** A fork or a new thread was refused. */
  readonly processLimitHit: boolean;
}

/** Reads the kernel's `name number` lines. */
export function flatKeyed(text: string): Map<string, number> {
  const values = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [key, value] = line.split(' ');
    if (key !== undefined && key !== '' && value !== undefined) values.set(key, Number(value));
  }
  return values;
}
