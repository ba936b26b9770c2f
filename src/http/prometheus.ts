import { Gauge, Registry } from 'prom-client';
import { poolCounts } from '../pool/census.ts';
import { sliced } from '../reconcile/slices.ts';
import type { HttpContext } from './context.ts';

/** What is older is no news of a VM. */
const newestMs = 10_000;

/** The figures of /metrics in Prometheus' text format, read at the time of asking. */
export async function prometheusText(context: HttpContext): Promise<string> {
  const registry = new Registry();
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[]): Gauge<L> =>
    new Gauge({ name: `tidepool_${name}`, help, labelNames, registers: [registry] });
  const { store, clock } = context.jobs;
  const vms = await store.vms.list();
  const nowMs = clock.now();

  const pools = gauge('pool_vms', 'VMs of a pool by state; desired is what should be', ['pool', 'state']);
  for (const pool of context.pools) {
    const counts = poolCounts(await store.vms.ofPool(pool.name), pool.controller.size.desired);
    for (const [state, count] of Object.entries(counts)) pools.set({ pool: pool.name, state }, count);
  }

  const cpu = gauge('vm_cpu_ratio', 'CPU use of a VM over its vCPUs, 0 to 1', ['pool', 'vm']);
  const memory = gauge('vm_memory_bytes', 'Resident memory of a VM on its host', ['pool', 'vm']);
  const disk = gauge('vm_disk_bytes_per_second', 'Disk traffic of a VM', ['pool', 'vm', 'direction']);
  const network = gauge('vm_network_bytes_per_second', 'Network traffic of a VM', ['pool', 'vm', 'direction']);
  for await (const vm of sliced(clock, vms)) {
    const usage = context.usages(vm.name, nowMs - newestMs, 1).at(-1);
    if (usage === undefined) continue;
    const labels = { pool: vm.pool, vm: vm.name };
    cpu.set(labels, usage.cpu);
    memory.set(labels, usage.memoryBytes);
    disk.set({ ...labels, direction: 'read' }, usage.diskReadBytesPerSecond);
    disk.set({ ...labels, direction: 'write' }, usage.diskWriteBytesPerSecond);
    network.set({ ...labels, direction: 'receive' }, usage.networkReceiveBytesPerSecond);
    network.set({ ...labels, direction: 'transmit' }, usage.networkTransmitBytesPerSecond);
  }

  const jobs = gauge('jobs', 'Jobs that have not ended, by state', ['state']);
  const holdings = await store.jobs.holdings();
  const running = holdings.filter(({ isRunning }) => isRunning).length;
  jobs.set({ state: 'starting' }, holdings.length - running);
  jobs.set({ state: 'running' }, running);
  jobs.set({ state: 'queued' }, await store.jobs.countQueued());
  const room = context.storage.reserve.state;
  if (room !== undefined) {
    const bytes = gauge('data_disk_bytes', 'The disk of the data folder; reserve is kept for what runs', ['kind']);
    bytes.set({ kind: 'free' }, room.freeBytes);
    bytes.set({ kind: 'total' }, room.totalBytes);
    bytes.set({ kind: 'reserve' }, room.reserveBytes);
    if (room.inodes !== undefined) {
      const inodes = gauge('data_disk_inodes', 'Inodes of the disk of the data folder', ['kind']);
      inodes.set({ kind: 'free' }, room.inodes.free);
      inodes.set({ kind: 'total' }, room.inodes.total);
      inodes.set({ kind: 'reserve' }, room.reserveInodes ?? 0);
    }
  }
  const texts: string[] = [];
  for await (const { name } of sliced(clock, registry.getMetricsAsArray())) {
    texts.push(await registry.getSingleMetricAsString(name));
  }
  return `${texts.join('\n\n')}\n`;
}
