import { plan } from '../autoscaler/plan.ts';
import type { Policy } from '../autoscaler/policy.ts';
import {
  type Decision,
  emptyMemory,
  type LoadSample,
  type PlannerMemory,
  type PoolSnapshot,
} from '../domain/scaling.ts';
import { AccuracyMeter, elasticSpeedup, staticAccuracy } from './metrics.ts';
import { SimulatedPool, type Steered } from './pool.ts';
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
  readonly actions: readonly Steered[];
}

export interface RunHooks {
  /** Called at the end of each second, before the next begins. */
  onSecond?(second: Second): void | Promise<void>;
  /** Whether the sample of a VM arrives. */
  isSeen?(name: string, nowMs: number): boolean;
}

const secondMs = 1_000;
const maxParallelLaunches = 10;
/** Longer than any trend that a policy looks at by default. */
const keptLoads = 900;
/** Requests give up after ten times the target, but not before this. */
const leastPatienceMs = 10_000;

/** Plays the trace second by second to a simulated pool that the live planner steers. */
export class Simulation {
  readonly #scenario: Scenario;
  readonly #policies: readonly Policy[];
  readonly #pool: SimulatedPool;
  readonly #service: Service;
  readonly #times = new ResponseTimes();
  readonly #meter = new AccuracyMeter();
  readonly #loads: LoadSample[] = [];
  #memory: PlannerMemory = emptyMemory;
  #desired: number;
  #nowMs: number;
  #dropped = 0;
  #vmSeconds = 0;
  #reversals = 0;
  #lastAction: Decision['action'] = 'none';

  constructor(scenario: Scenario, policies: readonly Policy[]) {
    const { bootMs, vmCapacity } = scenario;
    this.#scenario = scenario;
    this.#policies = policies;
    this.#pool = new SimulatedPool({ bootMs, vmCapacity, maxParallelLaunches });
    const patienceMs = Math.max(leastPatienceMs, (10 * scenario.p99 * 1_000) / vmCapacity);
    this.#service = new Service(vmCapacity, patienceMs);
    this.#desired = scenario.demands[0] ?? 1;
    this.#nowMs = scenario.trace.startMs;
    this.#pool.begin(this.#desired, this.#nowMs);
  }

  /** Resolves with the result under this name when the trace has ended. */
  async run(name: string, hooks: RunHooks = {}): Promise<SimulationResult> {
    const { trace, loads, demands } = this.#scenario;
    const seconds = trace.stepMs / secondMs;
    for (let step = 0; step < demands.length; step += 1) {
      const demand = demands[step] ?? 1;
      for (let i = 0; i < seconds; i += 1) {
        this.#second(loads[step] ?? 0, demand, hooks);
        const decision = this.#decide(this.#nowMs);
        const actions = this.#pool.steer(this.#desired, this.#nowMs);
        // Awaiting nothing would still cost most of the time of a run.
        const waits = hooks.onSecond?.({ nowMs: this.#nowMs, demand, pool: this.#pool, decision, actions });
        if (waits !== undefined) await waits;
      }
    }
    return this.#result(name);
  }

  #second(load: number, demand: number, hooks: RunHooks): void {
    const { vmCapacity } = this.#scenario;
    const arrivals = load * vmCapacity;
    const ready = this.#pool.ready;
    this.#meter.add(demand, ready);
    this.#vmSeconds += this.#pool.size;
    const served = this.#service.second(ready, arrivals);
    this.#dropped += served.dropped;
    this.#times.add(arrivals - Math.min(arrivals, served.dropped), ready, load, (served.waitMs / 1_000) * vmCapacity);
    this.#nowMs += secondMs;
    const nowMs = this.#nowMs;
    const isSeen = hooks.isSeen;
    this.#pool.work(served.cpu, nowMs, isSeen && ((name) => isSeen(name, nowMs)));
    this.#pool.advance(nowMs, 1);
    this.#loads.push({ atMs: nowMs, load });
    if (this.#loads.length >= 2 * keptLoads) this.#loads.splice(0, keptLoads);
  }

  #decide(nowMs: number): Decision {
    const decision = plan(this.#snapshot(), this.#policies, nowMs);
    this.#memory = decision.memory;
    this.#desired = decision.desired;
    if (decision.action !== 'none') {
      if (this.#lastAction !== 'none' && this.#lastAction !== decision.action) this.#reversals += 1;
      this.#lastAction = decision.action;
    }
    return decision;
  }

  #snapshot(): PoolSnapshot {
    const { minVms, maxVms, vmCapacity } = this.#scenario;
    return {
      pool: 'simulated',
      min: minVms,
      max: maxVms,
      desired: this.#desired,
      vms: this.#pool.vms,
      backlog: { waiting: this.#service.waiting, perVm: 1, meanMs: 1_000 / vmCapacity },
      loads: this.#loads,
      bootMs: this.#pool.bootMs,
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
