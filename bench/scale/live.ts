import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../../src/clock/system-clock.ts';
import type { Machine } from '../../src/domain/hypervisor.ts';
import type { JobContext } from '../../src/jobs/context.ts';
import { JobController } from '../../src/jobs/controller.ts';
import { PoolController } from '../../src/pool/controller.ts';
import type { PoolHypervisor } from '../../src/pool/limited-hypervisor.ts';
import { withSharedList } from '../../src/pool/shared-list.ts';
import { jobsWorkload } from '../../src/pool/workload.ts';
import { image } from '../../test/sim/parts.ts';
import { listedMs, submissionMs } from './cost.ts';
import { pools, vmName } from './fill.ts';
import { openJobs } from './parts.ts';

/** Between two questions from outside. */
const pauseMs = 100;
const mostVms = 1_000;
const warmUpMs = 20_000;
const measuredMs = 30_000;
const tickMs = 5;

/** Figures of a control plane that ran on the database of the folder. */
export interface Figures {
  /** 99th percentile of how late the event loop was. */
  readonly delayMs: number;
  /** The same by the CPU time of the thread. */
  readonly ownDelayMs: number;
  readonly longestMs: number;
  readonly peakMiB: number;
  readonly running: number;
}

/** Runs the job service and ten pools, while jobs end, are submitted and are listed. @param vms in all pools */
async function live(folder: string, vms: number): Promise<Figures> {
  const context = await openJobs(folder);
  const jobs = new JobController(context);
  const controllers = vms === 0 ? [] : poolControllers(context, vms);
  for (const pool of controllers) await pool.start();
  jobs.start();
  const stopping = new AbortController();
  const asking = askAround(context, stopping.signal);
  await sleep(warmUpMs);
  const delay = monitorEventLoopDelay({ resolution: tickMs });
  delay.enable();
  const ownMs = await ownDelays(measuredMs);
  delay.disable();
  const running = (await context.store.jobs.holdings()).length;
  stopping.abort();
  await asking;
  // A tick of the monitor itself is no delay.
  const [delayMs, longestMs] = [delay.percentile(99) / 1e6 - tickMs, delay.max / 1e6 - tickMs];
  const ownDelayMs = ownMs[Math.floor(0.99 * ownMs.length)] ?? 0;
  return { delayMs, ownDelayMs, longestMs, peakMiB: process.resourceUsage().maxRSS / 1024, running };
}

/**
 * How late the ticks of a timer would have been by the CPU time of this thread alone, in order, the shortest first. On a
 * machine that is busy with other things this leaves out the time for which the thread had no CPU.
 */
async function ownDelays(forMs: number): Promise<number[]> {
  const delays: number[] = [];
  const endMs = performance.now() + forMs;
  let beforeMs = cpuMs();
  while (performance.now() < endMs) {
    await sleep(tickMs);
    const nowMs = cpuMs();
    delays.push(Math.max(0, nowMs - beforeMs - tickMs));
    beforeMs = nowMs;
  }
  return delays.sort((a, b) => a - b);
}

function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}

/** Asks as people and programs do: for a submission, pages of jobs, all VMs. */
async function askAround(context: JobContext, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await submissionMs(context, 1);
    await sleep(pauseMs);
    await listedMs(context, 1);
    await sleep(pauseMs);
    const held = await context.store.jobs.holdingsByWorker();
    const vms = (await context.store.vms.list()).slice(0, mostVms);
    JSON.stringify(vms.map((vm) => [vm.name, vm.state, held.get(vm.name)?.map(({ jobId }) => jobId)]));
    await sleep(pauseMs);
  }
}

function poolControllers(context: JobContext, vms: number): PoolController[] {
  const hypervisor = withSharedList(steadyHypervisor(vms), systemClock);
  const flavor = { name: 'small', vcpus: 10, memoryMiB: 64 * 1024, diskGiB: 1_024 };
  const size = vms / pools.length;
  const settings = { min: size, max: size, warm: 0, policies: [], paused: false };
  return pools.map((name) => {
    const pool = { name, prefix: name, flavor, settings, maxParallelLaunches: 2, minLifetimeMs: 0 };
    const host = { hypervisor, image, accelerator: 'tcg' as const, network: { kind: 'user' as const } };
    return new PoolController({ ...context, ...host, pool, workload: jobsWorkload, cpuWantedSince: () => 1 });
  });
}

/** A hypervisor whose machines all run. */
function steadyHypervisor(vms: number): PoolHypervisor {
  const machines = new Map(
    Array.from({ length: vms }, (_, i): [string, Machine] => {
      const tags = {
        role: 'worker' as const,
        pool: pools[i % pools.length] ?? '',
        imageId: 'image',
        keyId: 'key',
        createdAtMs: 1_000,
      };
      const flavor = { vcpus: 10, memoryMiB: 64 * 1024 };
      return [
        vmName(i),
        { name: vmName(i), uuid: String(i), state: 'running', pauseReason: null, tags, flavor, endpoints: [] },
      ];
    }),
  );
  const never = (): never => {
    throw new RangeError('nothing is to be changed here');
  };
  return {
    hostRoom: async () => ({ memoryBytes: 2 ** 40, memoryFreeBytes: 2 ** 40, disk: null }),
    list: async () => [...machines.values()],
    get: async (name) => machines.get(name),
    create: never,
    suspend: never,
    resume: never,
    remove: never,
    onEvent: () => () => undefined,
  };
}

const [folder = '', vms = '0'] = process.argv.slice(2);
if (import.meta.main) {
  process.stdout.write(`${JSON.stringify(await live(folder, Number(vms)))}\n`);
  // Thousands of attempts are under way; they are nobody's now.
  process.exit(0);
}
