import { useEffect, useRef } from 'react';
import type { ServiceView } from '../../protocol/services.ts';
import { shownMs } from './use-usage.ts';

export interface Rate {
  readonly atMs: number;
  readonly requestsPerSecond: number;
  readonly failedPerSecond: number;
  readonly meanMs: number | null;
  /** Requests a second by VM. */
  readonly vms: ReadonlyMap<string, number>;
}

interface Reading {
  readonly atMs: number;
  readonly stats: ServiceView['stats'];
}

const leastMs = 1_000;

/** Requests a second of a service, from its counters each time that they are read anew. @param atMs of the reading */
export function useRates(service: ServiceView, atMs: number): readonly Rate[] {
  const rates = useRef<readonly Rate[]>([]);
  const last = useRef<Reading>(undefined);
  useEffect(() => {
    // Two readings one right after the other say nothing of a rate.
    if (atMs - (last.current?.atMs ?? 0) < leastMs) return;
    const reading = { atMs, stats: service.stats };
    const rate = last.current === undefined ? undefined : rateBetween(last.current, reading);
    last.current = reading;
    if (rate !== undefined) rates.current = [...rates.current, rate].filter((one) => atMs - one.atMs < shownMs);
  }, [service, atMs]);
  return rates.current;
}

/** Undefined when no time is between, or when the counters began anew. Pure. */
export function rateBetween(before: Reading, after: Reading): Rate | undefined {
  const seconds = (after.atMs - before.atMs) / 1_000;
  const requests = after.stats.requests - before.stats.requests;
  const failed = after.stats.failed - before.stats.failed;
  if (seconds <= 0 || requests < 0 || failed < 0) return undefined;
  return {
    atMs: after.atMs,
    requestsPerSecond: requests / seconds,
    failedPerSecond: failed / seconds,
    meanMs: after.stats.meanMs,
    vms: new Map(
      after.stats.vms.map(({ vm, requests: now }) => {
        const then = before.stats.vms.find((one) => one.vm === vm)?.requests ?? 0;
        return [vm, Math.max(0, now - then) / seconds];
      }),
    ),
  };
}
