import type { Flavor } from '../domain/flavor.ts';
import type { QueuedJob } from '../domain/queue.ts';
import type { Vm } from '../domain/vm.ts';
import { flavorHolds } from './check-limits.ts';
import { covers } from './resources.ts';

/**
 * Queued jobs that no worker can ever run: larger than each size of VM that a pool can make, and than each worker that is
 * there. They were accepted when there was a larger one. Pure.
 * @returns why, by job id
 */
export function impossibleJobs(
  jobs: readonly QueuedJob[],
  flavors: readonly Flavor[],
  vms: readonly Vm[],
): ReadonlyMap<string, string> {
  const why = new Map<string, string>();
  const capacities = vms.flatMap(({ capacity }) => capacity ?? []);
  for (const job of jobs) {
    if (flavors.some((flavor) => covers(flavorHolds(flavor), job))) continue;
    if (capacities.some((capacity) => covers(capacity, job))) continue;
    const MiB = 1024 ** 2;
    const [memory, disk] = [job.memoryBytes, job.diskBytes].map((bytes) => Math.ceil(bytes / MiB));
    why.set(
      job.id,
      `no worker is large enough any more for ${job.cpus} CPUs, ${memory} MiB of memory and ${disk} MiB of disk`,
    );
  }
  return why;
}
