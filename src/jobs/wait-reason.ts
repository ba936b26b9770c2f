import type { QueuedJob } from '../domain/queue.ts';
import type { Reason } from '../domain/scaling.ts';
import type { UserQueue } from './fairness.ts';
import type { Room } from './room.ts';

/** Why a job waits. `code` is one of those below; `numbers` are those of the text. */
export type WaitReason = Reason;

const reason = (code: string, text: string, numbers: Readonly<Record<string, number>> = {}): WaitReason => ({
  code,
  text,
  numbers,
});

export const soon = reason('soon', 'it is about to be scheduled');
export const stopping = reason('stopping', 'the server is shutting down');

/** @param progress how far the build of its runtime is, in words */
export function building(progress: string): WaitReason {
  return reason('runtime', progress);
}

/** Whether a missing runtime may be what it waits for. */
export function isMissingRuntime({ code }: WaitReason): boolean {
  return code === 'no_runtime' || code === 'no_worker';
}

/** Whether only workers could run it that have failed to. */
export function isExcluded({ code }: WaitReason): boolean {
  return code === 'excluded';
}

/** Its place is further back than the scheduler looks at one time. */
export function behind(own: number): WaitReason {
  return reason('behind', `${own} of its owner's jobs go before it`, { own });
}

/** Its owner has as many jobs running as one may. */
export function tooManyRunning({ name, rules }: UserQueue, running: number): WaitReason {
  const { maxRunning } = rules;
  return reason('user_running', `${name} has ${running} jobs running, of ${maxRunning} at one time`, {
    running,
    maxRunning,
  });
}

/** Its owner's jobs have as many CPUs as they may. */
export function tooManyCpus({ name, rules }: UserQueue, cpus: number): WaitReason {
  const { maxCpus } = rules;
  const used = round(cpus);
  return reason('user_cpus', `${name}'s jobs have ${cpuCount(used)}, of ${maxCpus} at one time`, { used, maxCpus });
}

/** The job is larger than all that its owner may have at one time; others of his go before it. */
export function aboveUserLimit({ name, rules }: UserQueue, cpus: number): WaitReason {
  const { maxCpus } = rules;
  const text = `it needs ${cpuCount(cpus)}, and the jobs of ${name} may have ${maxCpus} at one time`;
  return reason('above_limit', text, { cpus, maxCpus });
}

/** A worker's next room is its own. */
export function reserved(worker: string, inMs: number): WaitReason {
  const seconds = Math.ceil(inMs / 1_000);
  return reason('reserved', `the next room on ${worker} is kept for it, in ${seconds} s at the latest`, { seconds });
}

/** Of a job that no worker takes. */
export function noRoom(job: QueuedJob, rooms: readonly Room[]): WaitReason {
  const { runtime, cpus } = job;
  const memoryMiB = Math.ceil(job.memoryBytes / 1024 ** 2);
  const diskMiB = Math.ceil(job.diskBytes / 1024 ** 2);
  if (rooms.length === 0) return reason('no_worker', 'no worker is ready');
  const withRuntime = rooms.filter((room) => room.worker.runtimes.includes(runtime));
  if (withRuntime.length === 0) return reason('no_runtime', `no ready worker has the runtime ${runtime}`);
  const able = withRuntime.filter((room) => room.isAble(job));
  if (able.length === 0) {
    const text = `no ready worker is large enough for ${cpuCount(cpus)}, ${memoryMiB} MiB of memory and ${diskMiB} MiB of disk`;
    return reason('too_large', text, { cpus, memoryMiB, diskMiB });
  }
  const allowed = able.filter((room) => !room.isExcluded(job));
  if (allowed.length === 0) {
    const text = 'the ready workers that are large enough could not run it before; it waits for another one';
    return reason('excluded', text, { workers: able.length });
  }
  if (allowed.some((room) => room.hasRoom(job))) {
    return reason('held_back', 'the room that is free is kept for a job that waits for more of it');
  }
  if (!allowed.some((room) => room.hasCpus(cpus))) {
    return reason('no_cpus', `no ready worker has ${cpuCount(cpus)} free`, { cpus });
  }
  const withCpus = able.filter((room) => room.hasCpus(cpus));
  if (!withCpus.some(({ free }) => free.slots >= 1)) {
    return reason('no_slots', 'every ready worker with enough CPUs free has as many jobs as it has places for');
  }
  if (!withCpus.some(({ free }) => free.memoryBytes >= job.memoryBytes)) {
    return reason('no_memory', `no ready worker has ${memoryMiB} MiB of memory free beside the CPUs`, { memoryMiB });
  }
  const text = `no ready worker has ${diskMiB} MiB of disk free beside the CPUs and the memory`;
  return reason('no_disk', text, { diskMiB });
}

function cpuCount(cpus: number): string {
  return cpus === 1 ? '1 CPU' : `${cpus} CPUs`;
}

function round(cpus: number): number {
  return Math.round(cpus * 100) / 100;
}
