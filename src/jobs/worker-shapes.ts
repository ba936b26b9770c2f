import type { QueuedJob, WorkerShape } from '../domain/queue.ts';
import { covers } from './resources.ts';
import type { Worker } from './room.ts';

/** Shapes that are told apart; workers of more kinds than that are rare, and the largest count. */
const maxShapes = 16;

/** The kinds of ready workers, without those that can run nothing that another one cannot. Pure. */
export function workerShapes(workers: readonly Worker[]): WorkerShape[] {
  const kept: WorkerShape[] = [];
  const seen = new Set<string>();
  for (const { runtimes, cpus, memoryBytes, diskBytes } of workers.toSorted((a, b) => b.cpus - a.cpus)) {
    const shape: WorkerShape = { runtimes, cpus, memoryBytes, diskBytes };
    const key = JSON.stringify(shape);
    if (seen.has(key) || runtimes.length === 0) continue;
    seen.add(key);
    if (kept.length < maxShapes && !kept.some((other) => isWithin(shape, other))) kept.push(shape);
  }
  return kept;
}

/** Whether a worker of one of these shapes could run the job if nothing else were on it. */
export function fitsShapes(job: QueuedJob, shapes: readonly WorkerShape[]): boolean {
  return shapes.some((shape) => shape.runtimes.includes(job.runtime) && covers({ ...shape, slots: 1 }, job));
}

function isWithin(shape: WorkerShape, other: WorkerShape): boolean {
  return covers({ ...other, slots: 1 }, shape) && shape.runtimes.every((name) => other.runtimes.includes(name));
}
