import type { MachineStats } from '../domain/hypervisor.ts';

/** A machine's counters, and when they were read. */
export interface Reading {
  readonly atMs: number;
  readonly stats: MachineStats;
}

/** What a machine used between two readings. Rates are per second. */
export interface Usage {
  readonly atMs: number;
  /** CPU time over wall time over vCPUs: 0 to 1. */
  readonly cpu: number;
  readonly memoryBytes: number;
  readonly diskReadBytesPerSecond: number;
  readonly diskWriteBytesPerSecond: number;
  readonly networkReceiveBytesPerSecond: number;
  readonly networkTransmitBytesPerSecond: number;
}

/**
 * The usage between two readings, or undefined when they do not make one: no time between them, a counter that went
 * back (the machine was started anew), or a machine that is not running. Pure.
 */
export function usageBetween(before: Reading, after: Reading): Usage | undefined {
  const seconds = (after.atMs - before.atMs) / 1_000;
  const cpuNs = Number(after.stats.cpuTimeNs - before.stats.cpuTimeNs);
  if (seconds <= 0 || cpuNs < 0 || after.stats.state !== 'running' || before.stats.state !== 'running')
    return undefined;
  const rate = (pick: (stats: MachineStats) => number): number =>
    Math.max(0, (pick(after.stats) - pick(before.stats)) / seconds);
  return {
    atMs: after.atMs,
    // A reading may be a little late against the counters' own time: never more than everything.
    cpu: Math.min(1, cpuNs / 1e9 / seconds / Math.max(1, after.stats.vcpus)),
    memoryBytes: after.stats.memoryRssBytes,
    diskReadBytesPerSecond: rate((stats) => stats.diskReadBytes),
    diskWriteBytesPerSecond: rate((stats) => stats.diskWriteBytes),
    networkReceiveBytesPerSecond: rate((stats) => stats.networkReceiveBytes),
    networkTransmitBytesPerSecond: rate((stats) => stats.networkTransmitBytes),
  };
}
