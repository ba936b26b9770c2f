import type { QueuedJob, WorkerShape } from '../domain/queue.ts';
import { covers } from './resources.ts';

/** Shapes that are told apart; workers of more kinds than that are rare, and the largest count. */
const maxShapes = 16;

/** The kinds of ready workers, without those that can run nothing that another one cannot. Pure. @param shapes each once */
export function workerKinds(shapes: readonly WorkerShape[]): WorkerShape[] {
  const kept: WorkerShape[] = [];
  for (const shape of shapes.toSorted(largestFirst)) {
    if (kept.length === maxShapes) break;
    if (shape.runtimes.length > 0 && !kept.some((other) => isWithin(shape, other))) kept.push(shape);
  }
  return kept;
}

/** Whatever is within another comes after it, and the order is the same for the same shapes. */
function largestFirst(a: WorkerShape, b: WorkerShape): number {
  const size = b.cpus - a.cpus || b.memoryBytes - a.memoryBytes || b.diskBytes - a.diskBytes;
  return size || b.runtimes.length - a.runtimes.length || (a.runtimes.join() < b.runtimes.join() ? -1 : 1);
}

/** Whether a worker of one of these shapes could run the job if nothing else were on it. */
export function fitsShapes(job: QueuedJob, shapes: readonly WorkerShape[]): boolean {
  return shapes.some((shape) => shape.runtimes.includes(job.runtime) && covers({ ...shape, slots: 1 }, job));
}

function isWithin(shape: WorkerShape, other: WorkerShape): boolean {
  return covers({ ...other, slots: 1 }, shape) && shape.runtimes.every((name) => other.runtimes.includes(name));
}
