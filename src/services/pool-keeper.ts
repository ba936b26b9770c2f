import { toTidepoolError } from '../domain/errors.ts';
import type { Revision, Service } from '../domain/service.ts';
import { emit, type ServiceContext } from './context.ts';

/** Opens the pools of services that run, and closes those of others; a service that leaves goes with its pool. */
export class PoolKeeper {
  readonly #context: ServiceContext;
  readonly #onChange: () => void;
  /** Openings and closings under way. */
  readonly #underWay = new Map<string, Promise<void>>();
  /** Pools that are known to be gone. */
  readonly #closed = new Set<string>();
  readonly #missing = new Map<string, string>();
  readonly #problems = new Map<string, string>();
  readonly #runtimes = new Map<string, readonly string[]>();

  /** @param onChange a pool was opened, or is gone */
  constructor(context: ServiceContext, onChange: () => void) {
    this.#context = context;
    this.#onChange = onChange;
  }

  /** What keeps a service from getting the VMs that it needs, or undefined. */
  waitsFor(service: string): string | undefined {
    return this.#missing.get(service) ?? this.#problems.get(service);
  }

  /** Whether nothing is left of a stopped service's VMs. */
  isClosed(service: string): boolean {
    return this.#closed.has(service);
  }

  /** The runtimes that every VM of a service should have. */
  runtimes(service: string): readonly string[] {
    return this.#runtimes.get(service) ?? [];
  }

  /** Does the next thing for the pool of a service. */
  async keep(service: Service, revisions: readonly Revision[]): Promise<void> {
    const { name } = service;
    const wanted = revisions.filter((one) => one.state === 'current' || one.state === 'rolling');
    this.#runtimes.set(name, [...new Set(wanted.map((one) => one.spec.runtime))]);
    if (!service.isRunning) {
      this.#missing.delete(name);
      if (service.isLeaving || !this.#closed.has(name)) this.#background(name, () => this.#close(service));
      return;
    }
    this.#closed.delete(name);
    const missing = await this.#buildRuntimes(name);
    if (missing === undefined) this.#missing.delete(name);
    else this.#missing.set(name, missing);
    // VMs take their runtimes along when they are launched, so the first is not launched too early.
    if (missing !== undefined || this.#context.pools.settings(name) !== undefined) return;
    this.#background(name, async () => {
      await this.#context.pools.open(service);
      this.#onChange();
    });
  }

  /** Forgets what is gone. */
  sweep(services: readonly Service[]): void {
    for (const known of [this.#closed, this.#missing, this.#problems, this.#runtimes]) {
      for (const name of known.keys()) if (!services.some((one) => one.name === name)) known.delete(name);
    }
  }

  /** Resolves when nothing is under way. */
  async settled(): Promise<void> {
    await Promise.all(this.#underWay.values());
  }

  async #close({ name, isLeaving }: Service): Promise<void> {
    const { pools, store, deployments } = this.#context;
    if (!(await pools.close(name))) return;
    this.#closed.add(name);
    if (isLeaving) {
      await deployments.run(async () => {
        // It may be gone already, and another deployed under its name.
        if ((await store.services.get(name))?.isLeaving !== true) return;
        await store.services.delete(name);
        await emit(this.#context, 'service.deleted', name, 'deleted with its revisions, keys and values');
      });
    }
    this.#onChange();
  }

  /** How far the building of its runtimes is; undefined when they are there. */
  async #buildRuntimes(name: string): Promise<string | undefined> {
    for (const runtime of this.runtimes(name)) {
      const progress = await this.#context.runtimes.want(runtime);
      if (progress !== undefined) return progress;
    }
    return undefined;
  }

  /** One thing a pool at a time. What fails is tried again with the next step of the loop. */
  #background(name: string, work: () => Promise<void>): void {
    if (this.#underWay.has(name)) return;
    const ended = work()
      .then(() => void this.#problems.delete(name))
      .catch((error: unknown) => {
        const { message } = toTidepoolError(error);
        if (this.#problems.get(name) !== message) this.#context.log(`pool of the service ${name}: ${message}`);
        this.#problems.set(name, message);
      })
      .finally(() => this.#underWay.delete(name));
    this.#underWay.set(name, ended);
  }
}
