import { toTidepoolError } from '../domain/errors.ts';
import type { Revision, RevisionEnd, Service, ServiceEndpoint } from '../domain/service.ts';
import type { Vm } from '../domain/vm.ts';
import { type Loop, startLoop } from '../reconcile/loop.ts';
import { balancedService, perVm } from './balanced.ts';
import { emit, type ServiceContext } from './context.ts';
import { Drains } from './drains.ts';
import { Failures } from './failures.ts';
import { Front, type FrontWish } from './front.ts';
import type { Lane, LaneWish } from './lane.ts';
import { laneWishes, rolloutVm, type SeenVm } from './observe.ts';
import { OwnTroubles } from './own-troubles.ts';
import { PoolKeeper } from './pool-keeper.ts';
import { Preparations } from './preparations.ts';
import { Replicas } from './replicas.ts';
import { rollout } from './rollout.ts';

const periodMs = 1_000;
/** While requests are being moved from here to there, which takes no longer than this unless something is wrong. */
const hurryMs = 200;
const movingMs = 15_000;
/**
 * After a start the front door still does what the last server told it. It is told nothing new before every VM in service
 * has said what it holds, or has been silent for so long that its pool gives it up.
 */
const silenceMs = 15_000;

/**
 * The loop of all services: brings revisions onto their VMs (rollout.ts), tells the front door where requests go, and keeps
 * the pools of services that run. What takes time is done in the background, one step a VM at a time.
 */
export class ServiceController {
  readonly preparations: Preparations;
  readonly front: Front;
  readonly drains = new Drains();
  readonly failures = new Failures();
  readonly troubles = new OwnTroubles();
  readonly pools: PoolKeeper;
  readonly #context: ServiceContext;
  readonly #stopping = new AbortController();
  readonly #replicas: Replicas;
  readonly #seen = new Map<string, readonly SeenVm[]>();
  readonly #limits = new Map<string, { readonly perVm: number; readonly requestTimeoutMs: number }>();
  #loop: Loop | undefined;
  #startedAtMs = 0;
  #hasHeardAll = false;
  #cancelHurry: (() => void) | undefined;

  constructor(context: ServiceContext) {
    this.#context = context;
    this.preparations = new Preparations(context.clock);
    this.front = new Front(context.balancer, context.log);
    this.pools = new PoolKeeper(context, () => this.wake());
    this.#replicas = new Replicas(
      context,
      () => this.wake(),
      (service, vm, trouble) => {
        if (trouble === undefined) return this.troubles.recovered(vm.name);
        this.troubles.failed(service.name, vm.name, trouble.message, context.clock.uptimeMs());
        this.preparations.extend(vm);
      },
    );
  }

  start(): void {
    const { clock, changes, log } = this.#context;
    this.#startedAtMs = clock.now();
    const onError = (error: unknown): void => log(`service loop: ${toTidepoolError(error).message}`);
    this.#loop = startLoop({ name: 'services', clock, periodMs, step: () => this.#step(), onError });
    for (const topic of ['vms', 'services']) void changes.each(topic, this.#stopping.signal, () => this.wake());
  }

  /** Lets go of everything as it is; the front door serves on. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#cancelHurry?.();
    await this.#loop?.stop();
    await this.#replicas.close();
    await this.pools.settled();
    await this.troubles.sweep(this.#context, [], []);
  }

  /** Looks again soon. */
  wake(): void {
    this.#loop?.wake();
  }

  /** Its VMs as they were seen last. */
  seen(service: string): readonly SeenVm[] {
    return this.#seen.get(service) ?? [];
  }

  /** Requests that one of its VMs works on at a time. */
  perVm(service: string): number {
    return this.#limits.get(service)?.perVm ?? 1;
  }

  /** The longest that one of its requests may take. */
  requestTimeoutMs(service: string): number {
    return this.#limits.get(service)?.requestTimeoutMs ?? 0;
  }

  /** Where a service answers now. */
  endpoints(service: string): ServiceEndpoint[] {
    const open = (this.front.lanes(service) ?? []).filter(
      (lane) => lane.state === 'serving' && lane.traffic === 'open',
    );
    return open.map(({ vm, host, port }) => ({ vm, host, port }));
  }

  /** What keeps a service from getting the VMs that it needs, or VMs from getting a revision; undefined: nothing does. */
  waitsFor(service: string): string | undefined {
    return this.pools.waitsFor(service) ?? this.troubles.of(service);
  }

  /** Prepares a VM that has booted or was resumed: see ServiceWorkload. */
  async prepare(vm: Vm, signal: AbortSignal): Promise<void> {
    const prepared = this.preparations.begin(vm, signal);
    this.wake();
    await prepared;
  }

  async #step(): Promise<void> {
    const { store, clock, changes } = this.#context;
    const services = await store.services.list();
    const vms = await store.vms.list();
    this.preparations.sweep(vms);
    this.#replicas.sync(
      services.flatMap((service) => vms.filter((vm) => this.#isReached(service, vm)).map((vm) => ({ service, vm }))),
    );
    if (!this.#mayBegin(services, vms)) return;
    const before = services.map(({ name }) => JSON.stringify(this.endpoints(name))).join();
    const wishes: FrontWish[] = [];
    for (const service of services) wishes.push(await this.#advance(service, vms));
    await this.front.settle(wishes, () => clock.now());
    const lanesOf = (vm: Vm) => this.front.lanes(vm.pool)?.filter((lane) => lane.vm === vm.name);
    if (this.drains.note(vms, lanesOf)) changes.notify('queue');
    if (services.map(({ name }) => JSON.stringify(this.endpoints(name))).join() !== before) changes.notify('events');
    this.#forget(services, vms);
    await this.troubles.sweep(this.#context, services, vms);
    const nowMs = clock.now();
    this.#hurry(services.some(({ name }) => this.front.lanes(name)?.some((lane) => isMoving(lane, nowMs))));
  }

  /** Whether a VM's agent is spoken to: it may run something, and is not paused. */
  #isReached(service: Service, vm: Vm): boolean {
    return vm.pool === service.name && this.#phase(vm) !== undefined;
  }

  #phase(vm: Vm): SeenVm['phase'] | undefined {
    if (vm.state === 'draining') return 'draining';
    if (vm.state === 'ready') return 'serving';
    return this.preparations.has(vm) ? 'preparing' : undefined;
  }

  #mayBegin(services: readonly Service[], vms: readonly Vm[]): boolean {
    if (this.#hasHeardAll) return true;
    const inService = vms.filter((vm) => vm.state === 'ready' || vm.state === 'draining');
    const ours = inService.filter((vm) => services.some((one) => one.name === vm.pool));
    const isLate = this.#context.clock.now() - this.#startedAtMs >= silenceMs;
    this.#hasHeardAll = isLate || ours.every((vm) => this.#replicas.get(vm.name)?.held !== undefined);
    return this.#hasHeardAll;
  }

  /** One service: what is wanted of its pool, its VMs and the front door. */
  async #advance(service: Service, vms: readonly Vm[]): Promise<FrontWish> {
    const { clock } = this.#context;
    const { name } = service;
    const all = await this.#context.store.services.revisions(name);
    await this.pools.keep(service, all);
    const seen = vms.filter((vm) => vm.pool === name).flatMap((vm) => this.#look(service, vm) ?? []);
    this.#seen.set(name, seen);
    const lanes = this.front.lanes(name);
    const nowMs = clock.now();
    const known = all.map(({ number, state, spec }) => ({ number, state, runtime: spec.runtime }));
    const plan = rollout(
      known,
      seen.map((one) => rolloutVm(one, lanes, nowMs)),
      nowMs,
    );
    if (plan.verdict !== undefined) await this.#settle(service, plan.verdict);
    await this.failures.note(this.#context, service, seen);
    await this.troubles.tell(this.#context, name);
    for (const step of plan.steps) {
      this.#replicas.get(step.vm)?.carryOut(step, all.find((one) => one.number === step.number)?.spec);
    }
    const idle = service.isRunning ? plan.prepared : vms.filter((vm) => vm.pool === name).map((vm) => vm.name);
    for (const vm of idle) this.preparations.finish(vm);
    return this.#frontWish(service, all, laneWishes(plan.traffic, seen));
  }

  #frontWish(service: Service, revisions: readonly Revision[], lanes: readonly LaneWish[]): FrontWish {
    const { name, flavor: flavorName, isRunning } = service;
    const { flavors, host } = this.#context.rules;
    const wanted = revisions.filter((one) => one.state === 'current' || one.state === 'rolling');
    const specs = (wanted.length > 0 ? wanted : revisions.slice(0, 1)).map((one) => one.spec);
    const flavor = flavors.find((one) => one.name === flavorName);
    const requestTimeoutMs = Math.max(0, ...specs.map((spec) => spec.requestTimeoutMs));
    this.#limits.set(name, { perVm: perVm(specs[0], flavor), requestTimeoutMs });
    // A service that was stopped is let go when the last request of its VMs is answered.
    const isThere = isRunning || lanes.length > 0;
    return { service: name, balanced: isThere ? balancedService(service, specs, lanes, flavor, host) : null, lanes };
  }

  #look(service: Service, vm: Vm): SeenVm | undefined {
    const replica = this.#replicas.get(vm.name);
    const phase = this.#phase(vm);
    if (replica?.held === undefined || phase === undefined) return undefined;
    return {
      vm,
      phase: service.isRunning || phase === 'preparing' ? phase : 'draining',
      runtimes: this.preparations.runtimes(vm) ?? vm.runtimes,
      held: replica.held,
      agent: replica.agent,
      endpoint: (slot) => replica.endpoint(slot),
    };
  }

  async #settle(service: Service, verdict: RevisionEnd & { readonly number: Revision['number'] }): Promise<void> {
    const { number, state, message } = verdict;
    if (!(await this.#context.store.services.settleRevision(service.name, number, verdict))) return;
    if (state === 'current') {
      await emit(this.#context, 'service.rolled', service.name, `revision ${number} serves`, { revision: number });
      return;
    }
    const back =
      service.current === null ? 'nothing serves in its place' : `revision ${service.current} goes on serving`;
    const text = `revision ${number} failed, ${back}: ${message}`;
    await emit(this.#context, 'service.failed', service.name, text, { revision: number, message });
  }

  /** Drops what is known of services and VMs that are gone. */
  #forget(services: readonly Service[], vms: readonly Vm[]): void {
    for (const known of [this.#seen, this.#limits]) {
      for (const name of known.keys()) if (!services.some((one) => one.name === name)) known.delete(name);
    }
    this.failures.sweep(services, vms);
    this.pools.sweep(services);
  }

  /** Looks again sooner while something is on its way. */
  #hurry(isMoving: boolean): void {
    this.#cancelHurry?.();
    this.#cancelHurry = isMoving ? this.#context.clock.after(hurryMs, () => this.wake()) : undefined;
  }
}

function isMoving({ traffic, trafficSinceMs }: Lane, nowMs: number): boolean {
  return (traffic === 'opening' || traffic === 'closing') && nowMs - trafficSinceMs < movingMs;
}
