import { createHash } from 'node:crypto';
import type { BlobHold, BlobStore } from '../../src/domain/blob-store.ts';
import { type ErrorCode, TidepoolError } from '../../src/domain/errors.ts';
import type { PoolSettings } from '../../src/domain/pool.ts';
import type { Service } from '../../src/domain/service.ts';
import type { Store } from '../../src/domain/store.ts';
import type { Vm } from '../../src/domain/vm.ts';
import { FakeBalancer } from '../../src/fake/balancer.ts';
import { FakeClock } from '../../src/fake/clock.ts';
import { FakeFrontDoor } from '../../src/fake/front-door.ts';
import type { RunningService } from '../../src/fake/running-service.ts';
import type { FakeServiceAgent } from '../../src/fake/service-agent.ts';
import { FakeServiceLink } from '../../src/fake/service-link.ts';
import { readyVm } from '../../src/fake/vm.ts';
import { Changes } from '../../src/reconcile/changes.ts';
import { Turns } from '../../src/reconcile/turns.ts';
import type { ServiceContext, ServicePools } from '../../src/services/context.ts';
import { ServiceController } from '../../src/services/controller.ts';
import type { Deployment } from '../../src/services/deploy.ts';
import { openSqliteStore } from '../../src/sqlite/store.ts';

/** Handlers, by what becomes of them. */
const handlers = {
  good: 'def handler(request):\n    return 1\n',
  bad: "raise ImportError('no module')\n",
  keeps: "store.put('a', '1')\ndef handler(request):\n    return 1\n",
};
type Behaviour = keyof typeof handlers;
/** From the start of a revision to its serving. */
const startMs = 2_000;
const host = '127.0.0.1';

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

  /** Nothing is ever removed. */
  hold(): BlobHold {
    return {
      put: (source, maxBytes) => this.put(source, maxBytes),
      keep: async (id) => ({ id, sizeBytes: (await this.read(id)).sizeBytes }),
      [Symbol.dispose]: () => undefined,
    };
  }
}

/** Where the two slots of a VM can be reached. */
function slotPorts(agentPort: number): [number, number] {
  return [agentPort + 1, agentPort + 2];
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const all: Uint8Array[] = [];
  for await (const chunk of source) all.push(chunk);
  return all;
}

async function* chunks(content: Uint8Array): AsyncGenerator<Uint8Array> {
  yield content;
}

interface WorldParts {
  readonly store: Store;
  readonly clock: FakeClock;
  readonly changes: Changes;
  readonly maxServices?: number;
  /** In memory unless given. */
  readonly blobs?: BlobStore;
}

/** The service part with everything around it in memory, in time of its own. */
export class ServiceWorld {
  readonly clock: FakeClock;
  readonly link: FakeServiceLink;
  /** Servers come alive with their VMs. */
  readonly door: FakeFrontDoor;
  readonly balancer: FakeBalancer;
  /** Every start and removal that an agent was asked for, in order. */
  readonly calls: string[] = [];
  /** Names of VMs whose agents do not answer. */
  readonly silent = new Set<string>();
  /** What starting is refused with. */
  refusal: ErrorCode | undefined;
  readonly blobs: BlobStore;
  readonly changes: Changes;
  readonly log: string[] = [];
  readonly store: Store;
  readonly pools: TestPools;
  readonly context: ServiceContext;
  controller: ServiceController;
  /** Why a runtime is not there yet. */
  building: string | undefined;
  readonly #agents = new Map<string, FakeServiceAgent>();

  private constructor(parts: WorldParts) {
    const { store } = parts;
    this.store = store;
    this.blobs = parts.blobs ?? new MemoryBlobs();
    this.clock = parts.clock;
    this.changes = parts.changes;
    this.link = new FakeServiceLink(this.clock);
    this.door = new FakeFrontDoor(this.clock, 30_000);
    this.balancer = new FakeBalancer(this.door, this.clock);
    this.pools = new TestPools(store);
    this.link.fault = (call, agent, id) => {
      const vm = this.#vmAt(agent.port);
      if (this.silent.has(vm)) return 'unavailable';
      if (call === 'startService') this.calls.push(`start ${id} on ${vm}`);
      if (call === 'removeService') this.calls.push(`remove ${id} from ${vm}`);
      return call === 'startService' ? this.refusal : undefined;
    };
    this.context = {
      store,
      ...{ link: this.link, balancer: this.balancer, blobs: this.blobs, pools: this.pools },
      ...{ clock: this.clock, changes: this.changes, deployments: new Turns() },
      runtimes: {
        list: async () => [],
        names: async () => ['python', 'ml'],
        image: async () => null,
        wantLayered: async () => undefined,
        isRemoved: async () => false,
        want: async (name) => (name === 'ml' ? this.building : undefined),
      },
      rules: {
        flavors: [{ name: 'small', vcpus: 2, memoryMiB: 2048, diskGiB: 10 }],
        host: '127.0.0.1',
        ports: { first: 8_100, last: 8_102 },
        ...{ maxServices: parts.maxServices ?? 1_000, maxVms: 50 },
        isPortFree: async (port) => !this.door.takenPorts.has(port),
        checkPolicies(names) {
          if (names.some((name) => name !== 'target')) throw new TidepoolError('invalid', 'there is no such policy');
        },
      },
      endpoints: async (machine) => {
        const port = (await store.vms.get(machine))?.port ?? 0;
        return slotPorts(port).map((slot, i) => ({ name: `service-${8_000 + i}`, protocol: 'tcp', host, port: slot }));
      },
      log: (message) => void this.log.push(message),
    };
    this.controller = new ServiceController(this.context);
  }

  /** With a store and time of its own, and its controller running. */
  static async open(rules: Pick<WorldParts, 'maxServices'> = {}): Promise<ServiceWorld> {
    const store = await openSqliteStore(':memory:');
    const world = new ServiceWorld({ store, clock: new FakeClock(), changes: new Changes(), ...rules });
    world.controller.start();
    return world;
  }

  /** Around a store that is there; nothing runs. */
  static around(parts: WorldParts): ServiceWorld {
    return new ServiceWorld(parts);
  }

  /** Ends the controller and starts another, as a server that is started again. */
  async restart(): Promise<void> {
    await this.controller.stop();
    this.controller = new ServiceController(this.context);
    this.controller.start();
  }

  /** A deployment of a handler that does as its file says. */
  async deployment(name: string, behaviour: Behaviour, fields: Partial<Deployment> = {}): Promise<Deployment> {
    const { id: blob } = await this.blobs.put(chunks(Buffer.from(handlers[behaviour])), 1_000);
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

  /** A VM in the pool of a service; its name is new, `POOL-0000` and on. */
  async addVm(pool: string, fields: Partial<Vm> = {}): Promise<Vm> {
    const number = this.#agents.size;
    const nowMs = this.clock.now();
    const vm = readyVm({
      ...{ name: `${pool}-000${number}`, pool, port: 9_000 + 10 * number, stateSinceMs: nowMs, createdAtMs: nowMs },
      ...fields,
    });
    const address = { host, port: vm.port ?? 0, keyId: vm.keyId, key: vm.key };
    this.#agents.set(vm.name, this.link.boot(address, { startMs }));
    for (const port of slotPorts(address.port)) this.door.startServer(host, port);
    await this.store.vms.insert(vm);
    this.changes.notify('vms');
    return vm;
  }

  /** What the agent of a VM runs. */
  running(vm: string, id: string): RunningService {
    const agent = this.#agents.get(vm);
    if (agent === undefined) throw new TidepoolError('not_found', vm);
    return agent.get(id);
  }

  /** So many requests of clients, each of which takes some time. */
  send(count: number, workMs: number): void {
    for (let i = 0; i < count; i += 1) void this.door.send(8_100, { method: 'GET', bodyBytes: 0, workMs });
  }

  /** `NAME STATE` of every server of a service at the front door, by name. */
  servers(service: string): string[] {
    const servers = this.balancer.applied.find((one) => one.name === service)?.servers ?? [];
    return servers.map(({ name, state }) => `${name} ${state}`).sort();
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

  #vmAt(port: number): string {
    const number = String((port - 9_000) / 10).padStart(4, '0');
    return [...this.#agents.keys()].find((name) => name.endsWith(number)) ?? '';
  }

  async close(): Promise<void> {
    const stopped = this.controller.stop();
    // What sleeps wakes, and sees that it is over.
    await this.clock.advance(20_000);
    await stopped;
    await this.store.close();
  }
}
