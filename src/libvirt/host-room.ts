import type { HostRoom, MachineStats } from '../domain/hypervisor.ts';
import { folderDisk } from '../files/disk.ts';
import type { LibvirtLink } from './link.ts';
import { procedures } from './procedures.ts';

/** VIR_NODE_MEMORY_STATS_ALL_CELLS, and the number of values that libvirt tells of all cells together. */
const allCells = -1;
const valuesOfAll = 4;
/** QEMU's own memory beside its guest's. */
const overheadBytes = 200 * 1024 ** 2;

/** Returns what the host has left. @param folder that of the machines' disks; null when it is on another host */
export async function readHostRoom(
  link: LibvirtLink,
  machines: readonly MachineStats[],
  folder: string | null,
): Promise<HostRoom> {
  const [memory, files] = await Promise.all([
    link.call(procedures.nodeGetMemoryStats, { count: valuesOfAll, cell: allCells, flags: 0 }),
    folder === null ? null : folderDisk(folder).space(),
  ]);
  const values = new Map(memory.stats.map(({ field, valueKiB }) => [field, Number(valueKiB) * 1024]));
  const bytesOf = (field: string): number => values.get(field) ?? 0;
  const freeBytes = bytesOf('free') + bytesOf('buffers') + bytesOf('cached');
  return {
    memoryBytes: bytesOf('total'),
    memoryFreeBytes: freeBytes - promisedBytes(machines),
    disk: files === null ? null : { sizeBytes: files.totalBytes, freeBytes: files.freeBytes },
  };
}

/** Memory that running machines may still take of the host. Pure. */
export function promisedBytes(
  machines: readonly Pick<MachineStats, 'state' | 'memoryBytes' | 'memoryRssBytes'>[],
): number {
  const up = machines.filter(({ state }) => state === 'running' || state === 'paused');
  return up.reduce((sum, one) => sum + Math.max(0, one.memoryBytes + overheadBytes - one.memoryRssBytes), 0);
}
