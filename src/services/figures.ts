import type { BalancedStats } from '../domain/balancer.ts';
import type { Lane } from './lane.ts';
import type { SeenVm } from './observe.ts';

/** Numbers of a service now, and since the front door (udp: each revision on each VM) was started. */
export interface ServiceFigures {
  /** Requests that its VMs have. */
  readonly inFlight: number;
  /** Requests that wait for a VM to have room. */
  readonly waiting: number;
  /** Mean time of the newest requests; null where it is not known. */
  readonly meanMs: number | null;
  readonly requests: number;
  readonly failed: number;
}

/** The numbers as the balancer knows them, or for udp as the VMs report them. Pure. */
export function serviceFigures(
  lanes: readonly Lane[],
  stats: BalancedStats | undefined,
  seen: readonly SeenVm[],
): ServiceFigures {
  const inFlight = sum(lanes.map((lane) => lane.inFlight));
  if (stats !== undefined) {
    const { waiting, meanMs, requests, failed } = stats;
    return { inFlight, waiting, meanMs, requests, failed };
  }
  const held = seen.flatMap((one) => one.held);
  const requests = sum(held.map((one) => one.requests));
  return { inFlight, waiting: 0, meanMs: null, requests, failed: sum(held.map((one) => one.errors)) };
}

/** Requests on one VM. Pure. */
export function inFlightOn(lanes: readonly Lane[], vm: string): number {
  return sum(lanes.filter((lane) => lane.vm === vm).map((lane) => lane.inFlight));
}

/**
 * Requests that nobody works on: those in front of the VMs, and those on each VM beyond what it works on at a time. Pure.
 */
export function waitingRequests(lanes: readonly Lane[], stats: BalancedStats | undefined, perVm: number): number {
  const vms = new Set(lanes.map((lane) => lane.vm));
  return (stats?.waiting ?? 0) + sum([...vms].map((vm) => Math.max(0, inFlightOn(lanes, vm) - perVm)));
}

function sum(values: readonly (number | null)[]): number {
  return values.reduce<number>((total, value) => total + (value ?? 0), 0);
}
