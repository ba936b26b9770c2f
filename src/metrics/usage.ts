import type { MachineStats } from '../domain/hypervisor.ts';

/** A machine's counters, and when they were read. */
export interface Reading {
  readonly atMs: number;
  /** Time of the steady clock: rates are per second of this. */
  readonly uptimeMs: number;
  readonly stats: MachineStats;
}

/** What a machine used between two readings. Rates are per second. */
export interface Usage {
  readonly atMs: number;
  /** CPU time over wall time over vCPUs: 0 to 1. */
  readonly cpu: number;
  /**
   * CPU that it used or waited for, 0 to 1. Where the host does not tell for how long it waited, a machine that used any
   * may have wanted all: 1.
   */
  readonly cpuWanted: number;
  readonly memoryBytes: number;
  readonly diskReadBytesPerSecond: number;
  readonly diskWriteBytesPerSecond: number;
  readonly networkReceiveBytesPerSecond: number;
  readonly networkTransmitBytesPerSecond: number;
}

/** What uses less does nothing at all: a guest that lives has its timers. */
const idleCpu = 0.001;

/**
 * The usage between two readings, or undefined when they do not make one: no time between them, a counter that is missing
 * or went back (the machine was started anew), or a machine that is not running. Pure.
 */
export function usageBetween(before: Reading, after: Reading): Usage | undefined {
  const seconds = (after.uptimeMs - before.uptimeMs) / 1_000;
  const [cpuTimeNs, cpuTimeNsBefore] = [after.stats.cpuTimeNs, before.stats.cpuTimeNs];
  if (cpuTimeNs === null || cpuTimeNsBefore === null) return undefined;
  const cpuNs = Number(cpuTimeNs - cpuTimeNsBefore);
  if (seconds <= 0 || cpuNs < 0 || after.stats.state !== 'running' || before.stats.state !== 'running')
    return undefined;
  const rate = (pick: (stats: MachineStats) => number): number =>
    Math.max(0, (pick(after.stats) - pick(before.stats)) / seconds);
  // A reading may be a little late against the counters' own time: never more than everything.
  const share = (ns: number): number => Math.min(1, ns / 1e9 / seconds / Math.max(1, after.stats.vcpus));
  const cpu = share(cpuNs);
  const [delayNs, delayNsBefore] = [after.stats.cpuDelayNs, before.stats.cpuDelayNs];
  const isDelayKnown = delayNs !== null && delayNsBefore !== null;
  return {
    atMs: after.atMs,
    cpu,
    cpuWanted: isDelayKnown ? share(cpuNs + Number(delayNs - delayNsBefore)) : cpu < idleCpu ? 0 : 1,
    memoryBytes: after.stats.memoryRssBytes,
    diskReadBytesPerSecond: rate((stats) => stats.diskReadBytes),
    diskWriteBytesPerSecond: rate((stats) => stats.diskWriteBytes),
    networkReceiveBytesPerSecond: rate((stats) => stats.networkReceiveBytes),
    networkTransmitBytesPerSecond: rate((stats) => stats.networkTransmitBytes),
  };
}
