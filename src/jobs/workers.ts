import type { Job } from '../domain/job.ts';
import { type Vm, vmCan } from '../domain/vm.ts';
import type { Worker } from './schedule.ts';

/** The VMs that may be given work, each with what its present jobs leave free. Pure. */
export function freeWorkers(vms: readonly Vm[], activeJobs: readonly Job[]): Worker[] {
  const workers: Worker[] = [];
  for (const vm of vms) {
    if (!vmCan(vm.state, 'dispatch') || vm.capacity === null) continue;
    let { cpus: freeCpus, memoryBytes: freeMemoryBytes } = vm.capacity;
    for (const job of activeJobs) {
      if (job.vmName !== vm.name) continue;
      freeCpus -= job.spec.limits.cpus;
      freeMemoryBytes -= job.spec.limits.memoryBytes;
    }
    workers.push({ name: vm.name, runtimes: vm.runtimes, freeCpus, freeMemoryBytes });
  }
  return workers;
}
