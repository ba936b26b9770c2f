import { defaultP99, leastP99, vmsForLoad } from '../autoscaler/queueing.ts';
import { TidepoolError } from '../domain/errors.ts';
import { vmStates } from '../domain/vm.ts';
import type { Trace } from './trace.ts';

/** What a simulation may be told; the rest has defaults. */
export interface ScenarioOptions {
  /** Requests a second that one VM serves at full use. Default: the trace's peak needs 20 VMs at 80 % CPU. */
  readonly vmCapacity?: number;
  /** From launch to ready. */
  readonly bootMs?: number;
  /** 99 % of requests shall be answered within this. Default: as fast as by a VM alone at 80 % CPU. */
  readonly p99Ms?: number;
}

/** A trace and the service under it: all that policies are compared on. */
export interface Scenario {
  readonly trace: Trace;
  readonly vmCapacity: number;
  readonly bootMs: number;
  /** The target in mean service times. */
  readonly p99: number;
  /** For each step of the trace: the load in VMs' worth, and the fewest VMs that keep the target. */
  readonly loads: readonly number[];
  readonly demands: readonly number[];
  readonly minVms: number;
  readonly maxVms: number;
}

/** About twice what a small VM takes without hardware virtualisation. */
const defaultBootMs = 10_000;
const peakVms = 20;
const peakCpu = 0.8;
const mostDemand = 1_000;

/** Errors: `invalid` when the trace and the options do not fit. */
export function makeScenario(trace: Trace, options: ScenarioOptions): Scenario {
  const rates = trace.requests.map((requests) => requests / (trace.stepMs / 1_000));
  const peak = rates.reduce((most, rate) => Math.max(most, rate), 0);
  const vmCapacity = options.vmCapacity ?? peak / (peakVms * peakCpu);
  if (!(vmCapacity > 0)) {
    throw new TidepoolError('invalid', 'the trace has no requests, so the capacity of a VM must be given');
  }
  const serviceMs = 1_000 / vmCapacity;
  const p99 = options.p99Ms === undefined ? defaultP99 : options.p99Ms / serviceMs;
  if (p99 <= leastP99 * 1.001) {
    const least = Math.ceil(serviceMs * leastP99 * 1.001);
    throw new TidepoolError('invalid', `no number of VMs keeps that p99: serving alone takes ${least} ms`);
  }
  if (peak / vmCapacity > mostDemand) {
    const needed = Math.ceil(peak / vmCapacity);
    const message = `at ${vmCapacity} requests a second each, the peak would need ${needed} VMs; at most ${mostDemand}`;
    throw new TidepoolError('invalid', message);
  }
  const { bootMs = defaultBootMs } = options;
  const longestMs = vmStates.booting.maxMs ?? Number.POSITIVE_INFINITY;
  if (bootMs >= longestMs) {
    throw new TidepoolError(
      'invalid',
      `VMs that boot for ${longestMs / 1_000} s are given up, so a boot must be shorter`,
    );
  }
  const loads = rates.map((rate) => rate / vmCapacity);
  const demands = loads.map((load) => vmsForLoad(load, p99));
  // Far enough from the demand that no sound policy meets it.
  const maxVms = Math.max(4, 2 * demands.reduce((most, demand) => Math.max(most, demand), 1));
  return { trace, vmCapacity, bootMs, p99, loads, demands, minVms: 1, maxVms };
}
