import { plan } from '../autoscaler/plan.ts';
import type { Policy } from '../autoscaler/policy.ts';
import {
  type Decision,
  emptyMemory,
  type LoadSample,
  type PlannerMemory,
  type PoolSnapshot,
} from '../domain/scaling.ts';
import type { Pace } from '../pool/context.ts';
import { AccuracyMeter, elasticSpeedup, staticAccuracy } from './metrics.ts';
import { SimulatedPool } from './pool.ts';
import { ResponseTimes } from './response-times.ts';
import type { Scenario } from './scenario.ts';
import { Service } from './service.ts';

/** How a policy did. `theta` and `tau` in percent; see metrics.ts. */
export interface SimulationResult {
  readonly policy: string;
  readonly thetaU: number;
  readonly thetaO: number;
  readonly tauU: number;
  readonly tauO: number;
  readonly elasticSpeedup: number;
  /** How often growing was followed by shrinking or the other way round. */
  readonly reversals: number;
  /** Booting, ready and draining VMs over time. */
  readonly vmHours: number;
  readonly p99Ms: number;
  readonly dropped: number;
}

/** What happened in one simulated second; for tests and for those who look on. */
export interface Second {
  readonly nowMs: number;
  readonly demand: number;
  readonly pool: SimulatedPool;
  readonly decision: Decision;
}

export interface RunHooks {
  /** Called at the end of each second, before the next begins. */
  onSecond?(second: Second): void | Promise<void>;
  /** Whether the sample of a VM arrives. */
  isSeen?(name: string, nowMs: number): boolean;
  /** How often the pool looks by itself; nothing depends on it (pace.test.ts). */
  readonly pace?: Pace;
}

const secondMs = 1_000;
const maxParallelLaunches = 10;
/** Longer than any trend that a policy looks at by default. */
const keptLoads = 900;
/** Requests give up after ten times the target, but not before this. */
const leastPatienceMs = 10_000;

/** Plays the trace second by second to the live planner and the live controller of a pool, on VMs that only take time. */
export class Simulation {
  readonly #scenario: Scenario;
  readonly #policies: readonly Policy[];
  readonly #service: Service;
  readonly #times = new ResponseTimes();
  readonly #meter = new AccuracyMeter();
  readonly #loads: LoadSample[] = [];
  #memory: PlannerMemory = emptyMemory;
  #dropped = 0;
  #vmSeconds = 0;
  #reversals = 0;
  #lastAction: Decision['action'] = 'none';

  constructor(scenario: Scenario, policies: readonly Policy[]) {
    const { vmCapacity } = scenario;
    this.#scenario = scenario;
    this.#policies = policies;
    const patienceMs = Math.max(leastPatienceMs, (10 * scenario.p99 * 1_000) / vmCapacity);
    this.#service = new Service(vmCapacity, patienceMs);
  }

  /**
   * Resolves with the result under this name when the trace has ended. In most seconds nothing happens, and awaiting that
   * would cost most of the time of a run.
   */
  async run(name: string, hooks: RunHooks = {}): Promise<SimulationResult> {
    const { trace, loads, demands } = this.#scenario;
    const pool = await this.#begin(hooks.pace);
    const seconds = trace.stepMs / secondMs;
    for (let step = 0; step < demands.length; step += 1) {
      const demand = demands[step] ?? 1;
      for (let i = 0; i < seconds; i += 1) {
        const passes = this.#second(pool, loads[step] ?? 0, demand, hooks);
        if (passes !== undefined) await passes;
        const decision = this.#decide(pool);
        if (decision.action !== 'none') await pool.scale(decision.desired, decision.action);
        const waits = hooks.onSecond?.({ nowMs: pool.nowMs, demand, pool, decision });
        if (waits !== undefined) await waits;
      }
    }
    await pool.end();
    return this.#result(name);
  }

  #begin(pace: RunHooks['pace']): Promise<SimulatedPool> {
    const { trace, demands, minVms, maxVms, bootMs, vmCapacity } = this.#scenario;
    const bounds = { vms: demands[0] ?? 1, min: minVms, max: maxVms };
    return SimulatedPool.begin({ ...bounds, startMs: trace.startMs, bootMs, vmCapacity, maxParallelLaunches }, pace);
  }

  #second(pool: SimulatedPool, load: number, demand: number, { isSeen }: RunHooks): Promise<void> | undefined {
    const { vmCapacity } = this.#scenario;
    const arrivals = load * vmCapacity;
    const ready = pool.ready;
    this.#meter.add(demand, ready);
    this.#vmSeconds += pool.size;
    const served = this.#service.second(ready, arrivals);
    this.#dropped += served.dropped;
    this.#times.add(arrivals - Math.min(arrivals, served.dropped), ready, load, (served.waitMs / 1_000) * vmCapacity);
    const nowMs = pool.nowMs + secondMs;
    this.#loads.push({ atMs: nowMs, load });
    if (this.#loads.length >= 2 * keptLoads) this.#loads.splice(0, keptLoads);
    return pool.second(served.cpu, isSeen && ((name) => isSeen(name, nowMs)));
  }

  #decide(pool: SimulatedPool): Decision {
    const decision = plan(this.#snapshot(pool), this.#policies, pool.nowMs);
    this.#memory = decision.memory;
    if (decision.action === 'none') return decision;
    if (this.#lastAction !== 'none' && this.#lastAction !== decision.action) this.#reversals += 1;
    this.#lastAction = decision.action;
    return decision;
  }

  #snapshot(pool: SimulatedPool): PoolSnapshot {
    const { minVms, maxVms, vmCapacity } = this.#scenario;
    return {
      pool: 'simulated',
      min: minVms,
      max: maxVms,
      desired: pool.desired,
      vms: pool.vms,
      backlog: { waiting: this.#service.waiting, perVm: 1, meanMs: 1_000 / vmCapacity },
      loads: this.#loads,
      bootMs: pool.bootMs,
      memory: this.#memory,
    };
  }

  #result(policy: string): SimulationResult {
    const { demands, vmCapacity } = this.#scenario;
    const accuracy = this.#meter.accuracy();
    return {
      policy,
      ...accuracy,
      elasticSpeedup: elasticSpeedup(staticAccuracy(demands), accuracy),
      reversals: this.#reversals,
      vmHours: this.#vmSeconds / 3_600,
      p99Ms: (this.#times.p99() * 1_000) / vmCapacity,
      dropped: Math.round(this.#dropped),
    };
  }
}
