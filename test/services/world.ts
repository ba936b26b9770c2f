import { createHash } from 'node:crypto';
import type { AgentAddress } from '../../src/domain/agent-link.ts';
import type { BalancedService, BalancedStats, Balancer } from '../../src/domain/balancer.ts';
import type { BlobStore } from '../../src/domain/blob-store.ts';
import type { Clock } from '../../src/domain/clock.ts';
import { type ErrorCode, TidepoolError } from '../../src/domain/errors.ts';
import type { PoolSettings } from '../../src/domain/pool.ts';
import type { Service } from '../../src/domain/service.ts';
import type { ServiceLink } from '../../src/domain/service-link.ts';
import type { Store } from '../../src/domain/store.ts';
import type { Vm } from '../../src/domain/vm.ts';
import { FakeClock } from '../../src/fake/clock.ts';
import { readyVm } from '../../src/fake/vm.ts';
import type { ServiceReport, ServiceSpec, StoreAnswer, StoreRequest } from '../../src/protocol/agent-service.ts';
import type { FileEntry } from '../../src/protocol/file-stream.ts';
import { encodeFrame } from '../../src/protocol/output-frames.ts';
import { Changes } from '../../src/reconcile/changes.ts';
import { Turns } from '../../src/reconcile/turns.ts';
import type { ServiceContext, ServicePools } from '../../src/services/context.ts';
import { ServiceController } from '../../src/services/controller.ts';
import type { Deployment } from '../../src/services/deploy.ts';
import { openSqliteStore } from '../../src/sqlite/store.ts';

/** What becomes of a revision that is started: its file says so. */
type Behaviour = 'good' | 'bad' | 'hangs';
const startMs = 2_000;

/** Agents by port. */
export class TestLink implements ServiceLink {
  readonly #clock: Clock;
  readonly agents = new Map<number, Map<string, ServiceReport>>();
  readonly stores = new Map<number, (requests: readonly StoreRequest[]) => Promise<StoreAnswer[]>>();
  /** Every start and removal, in order. */
  readonly calls: string[] = [];
  /** Ports of agents that do not answer. */
  readonly silent = new Set<number>();
  /** What starting is refused with. */
  refusal: ErrorCode | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async startService(agent: AgentAddress, spec: ServiceSpec, files: AsyncIterable<FileEntry> | Iterable<FileEntry>) {
    const held = this.#held(agent);
    if (this.refusal !== undefined) throw new TidepoolError(this.refusal, 'the agent refuses');
    this.calls.push(`start ${spec.id} on ${agent.port} at ${spec.port}`);
    let behaviour: Behaviour = 'good';
    for await (const { content } of files)
      for await (const chunk of content) behaviour = Buffer.from(chunk).toString() as Behaviour;
    const report: ServiceReport = {
      ...{ id: spec.id, port: spec.port, state: 'starting', message: '', traceback: '' },
      ...{ restarts: 0, inFlight: 0, requests: 0, errors: 0 },
    };
    held.set(spec.id, report);
    if (behaviour !== 'hangs') this.#clock.after(startMs, () => this.#started(held, spec.id, behaviour));
    return report;
  }

  async services(agent: AgentAddress) {
    return [...this.#held(agent).values()];
  }

  async serviceReport(agent: AgentAddress, id: string, waitMs = 0, signal?: AbortSignal) {
    for (let waited = 0; waited < waitMs; waited += 100) {
      const report = this.#held(agent).get(id);
      if (report === undefined) throw new TidepoolError('not_found', id);
      if (report.state !== 'starting') return report;
      await this.#clock.sleep(100, signal);
    }
    return this.change(agent.port, id, {});
  }

  async removeService(agent: AgentAddress, id: string) {
    this.calls.push(`remove ${id} from ${agent.port}`);
    if (!this.#held(agent).delete(id)) throw new TidepoolError('not_found', id);
  }

  async serviceOutput(agent: AgentAddress, id: string) {
    const data = Buffer.from(`${id} on ${agent.port}\nsecond line\n`);
    return { offset: 0, bytes: encodeFrame({ stream: 'stdout', atMs: agent.port, data }) };
  }

  async serveStore(
    agent: AgentAddress,
    answer: (requests: readonly StoreRequest[]) => Promise<StoreAnswer[]>,
    signal: AbortSignal,
  ) {
    this.#held(agent);
    this.stores.set(agent.port, answer);
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    this.stores.delete(agent.port);
  }

  /** Changes what an agent says of a revision. */
  change(port: number, id: string, fields: Partial<ServiceReport>): ServiceReport {
    const held = this.agents.get(port);
    const report = held?.get(id);
    if (held === undefined || report === undefined) throw new TidepoolError('not_found', id);
    const changed = { ...report, ...fields };
    held.set(id, changed);
    return changed;
  }

  #started(held: Map<string, ServiceReport>, id: string, behaviour: Behaviour): void {
    const report = held.get(id);
    if (report === undefined) return;
    const failure = { state: 'failed', message: 'it does not import', traceback: 'Traceback: bad' } as const;
    held.set(id, { ...report, ...(behaviour === 'good' ? { state: 'serving' } : failure) });
  }

  #held(agent: AgentAddress): Map<string, ServiceReport> {
    if (this.silent.has(agent.port)) throw new TidepoolError('unavailable', `no agent answers at ${agent.port}`);
    const held = this.agents.get(agent.port) ?? new Map();
    this.agents.set(agent.port, held);
    return held;
  }
}

/** A balancer whose servers are up one look after they were added. */
export class TestBalancer implements Balancer {
  services: readonly BalancedService[] = [];
  readonly #known = new Set<string>();
  /** Ports of the host that other programs have. */
  readonly taken = new Set<number>();
  /** Requests on servers, by name. */
  readonly inFlight = new Map<string, number>();
  /** Servers that its health check thinks badly of. */
  readonly sick = new Set<string>();
  waiting = 0;
  isDown = false;
  stopped = 0;

  async apply(services: readonly BalancedService[]): Promise<void> {
    if (this.isDown) throw new TidepoolError('unavailable', 'HAProxy does not answer');
    const blocked = services.find((one) => this.taken.has(one.port));
    if (blocked !== undefined)
      throw new TidepoolError('conflict', `port ${blocked.port} is taken`, { details: { service: blocked.name } });
    this.services = services;
  }

  async stats(): Promise<BalancedStats[]> {
    if (this.isDown) throw new TidepoolError('unavailable', 'HAProxy does not answer');
    const stats = this.services.map((service) => ({
      ...{ service: service.name, waiting: this.waiting, meanMs: 20, requests: 100, failed: 1 },
      servers: service.servers.map(({ name }) => ({
        ...{ name, requests: 50, inFlight: this.inFlight.get(name) ?? 0 },
        isUp: this.#known.has(name) && !this.sick.has(name),
      })),
    }));
    for (const { servers } of this.services) for (const { name } of servers) this.#known.add(name);
    return stats;
  }

  async close(): Promise<void> {}

  async stop(): Promise<void> {
    this.stopped += 1;
  }

  /** `NAME STATE` of every server of a service, by name. */
  servers(service: string): string[] {
    const servers = this.services.find((one) => one.name === service)?.servers ?? [];
    return servers.map(({ name, state }) => `${name} ${state}`).sort();
  }
}

/** Pools that are opened and closed at once; their VMs are the test's to make. */
class TestPools implements ServicePools {
  readonly opened = new Map<string, PoolSettings>();
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  isConfigured(name: string): boolean {
    return name === 'default';
  }

  async open(service: Service): Promise<void> {
    this.opened.set(service.name, service.settings);
  }

  async close(name: string): Promise<boolean> {
    this.opened.delete(name);
    return (await this.#store.vms.list()).every((vm) => vm.pool !== name);
  }

  settings(name: string): PoolSettings | undefined {
    return this.opened.get(name);
  }

  desired(name: string): number | undefined {
    return this.opened.get(name)?.min;
  }

  async change(name: string, changes: Partial<PoolSettings>): Promise<void> {
    const settings = this.opened.get(name);
    if (settings !== undefined) this.opened.set(name, { ...settings, ...changes });
  }
}

class MemoryBlobs implements BlobStore {
  readonly #blobs = new Map<string, Uint8Array>();

  async put(source: AsyncIterable<Uint8Array>, maxBytes: number) {
    const content = Buffer.concat(await collect(source));
    if (content.length > maxBytes)
      throw new TidepoolError('too_large', `more than the allowed ${maxBytes} bytes were sent`);
    const id = createHash('sha256').update(content).digest('hex');
    this.#blobs.set(id, content);
    return { id, sizeBytes: content.length };
  }

  async read(id: string) {
    const content = this.#blobs.get(id);
    if (content === undefined) throw new TidepoolError('not_found', id);
    return { sizeBytes: content.length, content: chunks(content) };
  }

  async path(id: string): Promise<string> {
    throw new TidepoolError('not_found', id);
  }
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const all: Uint8Array[] = [];
  for await (const chunk of source) all.push(chunk);
  return all;
}

async function* chunks(content: Uint8Array): AsyncGenerator<Uint8Array> {
  yield content;
}

/** The service part with everything around it in memory, in time of its own. */
export class ServiceWorld {
  readonly clock = new FakeClock();
  readonly link = new TestLink(this.clock);
  readonly balancer = new TestBalancer();
  readonly blobs = new MemoryBlobs();
  readonly changes = new Changes();
  readonly log: string[] = [];
  readonly store: Store;
  readonly pools: TestPools;
  readonly context: ServiceContext;
  controller: ServiceController;
  /** Why a runtime is not there yet. */
  building: string | undefined;
  #vms = 0;

  private constructor(store: Store) {
    this.store = store;
    this.pools = new TestPools(store);
    this.context = {
      store,
      ...{ link: this.link, balancer: this.balancer, blobs: this.blobs, pools: this.pools },
      ...{ clock: this.clock, changes: this.changes, deployments: new Turns() },
      runtimes: {
        list: async () => [],
        names: async () => ['python', 'ml'],
        want: async (name) => (name === 'ml' ? this.building : undefined),
      },
      rules: {
        flavors: [{ name: 'small', vcpus: 2, memoryMiB: 2048, diskGiB: 10 }],
        host: '127.0.0.1',
        ports: { first: 8_100, last: 8_102 },
        ...{ maxServices: 5, maxVms: 50 },
        isPortFree: async (port) => !this.balancer.taken.has(port),
        checkPolicies(names) {
          if (names.some((name) => name !== 'target')) throw new TidepoolError('invalid', 'there is no such policy');
        },
      },
      // Every VM's slots are at 1 and 2 more than its agent.
      endpoints: async (machine) => {
        const port = (await store.vms.get(machine))?.port ?? 0;
        return [0, 1].map((slot) => {
          return {
            name: `service-${8_000 + slot}`,
            protocol: 'tcp' as const,
            host: '127.0.0.1',
            port: port + 1 + slot,
          };
        });
      },
      log: (message) => void this.log.push(message),
    };
    this.controller = new ServiceController(this.context);
  }

  static async open(): Promise<ServiceWorld> {
    const world = new ServiceWorld(await openSqliteStore(':memory:'));
    world.controller.start();
    return world;
  }

  /** Ends the controller and starts another, as a server that is started again. */
  async restart(): Promise<void> {
    await this.controller.stop();
    this.controller = new ServiceController(this.context);
    this.controller.start();
  }

  /** A deployment of a handler that does as its file says. */
  async deployment(name: string, behaviour: Behaviour, fields: Partial<Deployment> = {}): Promise<Deployment> {
    const { id: blob } = await this.blobs.put(chunks(Buffer.from(behaviour)), 1_000);
    return {
      name,
      owner: 'admin',
      settings: {},
      spec: {
        runtime: 'python',
        entry: { kind: 'handler', file: 'app.py' },
        files: [{ name: 'app.py', blob }],
        ...{ environment: {}, processes: null, requestTimeoutMs: 30_000, maxBodyBytes: 1_000 },
      },
      ...fields,
    };
  }

  /** A VM in the pool of a service; the name is new. */
  async addVm(pool: string, fields: Partial<Vm> = {}): Promise<Vm> {
    const number = this.#vms;
    this.#vms += 1;
    const vm = readyVm({
      ...{ name: `${pool}-000${number}`, pool, port: 9_000 + 10 * number, stateSinceMs: this.clock.now() },
      ...{ createdAtMs: this.clock.now(), ...fields },
    });
    await this.store.vms.insert(vm);
    this.changes.notify('vms');
    return vm;
  }

  async moveVm(name: string, state: Vm['state'], reason = ''): Promise<Vm> {
    const vm = await this.store.vms.get(name);
    if (vm === undefined) throw new TidepoolError('not_found', name);
    await this.store.vms.move(name, [vm.state], { state, reason, nowMs: this.clock.now() });
    this.changes.notify('vms');
    return { ...vm, state, stateSinceMs: this.clock.now() };
  }

  async removeVm(name: string): Promise<void> {
    await this.store.vms.delete(name);
    this.changes.notify('vms');
  }

  /** `NUMBER STATE` of every revision, newest first. */
  async revisions(service: string): Promise<string[]> {
    return (await this.store.services.revisions(service)).map(({ number, state }) => `${number} ${state}`);
  }

  async eventNames(): Promise<string[]> {
    return (await this.store.events.newest(100)).map((event) => event.name);
  }

  async close(): Promise<void> {
    const stopped = this.controller.stop();
    // What sleeps wakes, and sees that it is over.
    await this.clock.advance(20_000);
    await stopped;
    await this.store.close();
  }
}
