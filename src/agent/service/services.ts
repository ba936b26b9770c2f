import { chmod, mkdir } from 'node:fs/promises';
import { TidepoolError } from '../../domain/errors.ts';
import type { ServiceReport, ServiceSpec } from '../../protocol/agent-service.ts';
import type { AgentClock } from '../clock.ts';
import type { SendTerm } from '../container-run.ts';
import { jobUid } from '../container-spec.ts';
import { diskQuota } from '../limits.ts';
import type { Runtimes } from '../runtimes.ts';
import type { Slot } from '../slot.ts';
import type { Slots } from '../slots.ts';
import { unpackFiles } from '../unpack.ts';
import { makeServiceNetwork } from './network.ts';
import { Service } from './service.ts';
import { serviceDiskBytes, servicePlan, sharedPaths, type VmFacts } from './service-plan.ts';
import type { StoreRelay } from './store-relay.ts';
import { StoreSocket } from './store-socket.ts';

interface Held {
  readonly service: Service;
  /** Resolves when its files are there and it was started, with how to free what it holds. */
  readonly arrived: Promise<() => Promise<void>>;
}

/** The services of this VM: one service, in at most as many revisions as there are ports. */
export class Services {
  readonly #held = new Map<string, Held>();
  readonly #slots: Slots;
  readonly #runtimes: Runtimes;
  readonly #relay: StoreRelay;
  readonly #vm: VmFacts;
  readonly #clock: AgentClock;
  readonly #sendTerm: SendTerm;
  #network: Promise<void> | undefined;

  constructor(fields: {
    slots: Slots;
    runtimes: Runtimes;
    relay: StoreRelay;
    vm: VmFacts;
    clock: AgentClock;
    sendTerm: SendTerm;
  }) {
    this.#slots = fields.slots;
    this.#runtimes = fields.runtimes;
    this.#relay = fields.relay;
    this.#vm = fields.vm;
    this.#clock = fields.clock;
    this.#sendTerm = fields.sendTerm;
  }

  reports(): ServiceReport[] {
    return [...this.#held.values()].map(({ service }) => service.report);
  }

  /** Error: `not_found`. */
  get(id: string): Service {
    return this.#find(id).service;
  }

  /**
   * Takes a service's files in and starts it; a known one (also one whose files arrive now) is only reported. An upload
   * that fails leaves nothing. Errors: `not_found` (no such runtime), `conflict` (its port is held, the VM has another
   * service, or no network device for one), `exhausted`, `too_large`, `invalid`.
   */
  async start(spec: ServiceSpec, files: AsyncIterable<Uint8Array>): Promise<ServiceReport> {
    const runtimePath = await this.#runtimes.find(spec.runtime);
    // From here until it is held nothing else runs, so of two requests only one gets to start it.
    const known = this.#held.get(spec.id);
    if (known?.service.leaving.aborted === true)
      throw new TidepoolError('conflict', `service ${spec.id} is being removed`);
    if (known !== undefined) return known.service.report;
    this.#checkRoom(spec);
    const service = new Service(spec, this.#clock, this.#sendTerm);
    const arrived = this.#arrive(service, runtimePath, files);
    this.#held.set(spec.id, { service, arrived });
    try {
      await arrived;
      return service.report;
    } catch (error) {
      this.#held.delete(spec.id);
      throw error;
    }
  }

  /** Ends a service and frees its port and its disk. Error: `not_found`. */
  async remove(id: string): Promise<void> {
    const { service, arrived } = this.#find(id);
    service.leave();
    const release = await arrived.catch(() => undefined); // Whoever sent the files is told why.
    await service.ended;
    // Of two removals at a time the first frees.
    if (this.#held.delete(id)) await release?.();
  }

  #find(id: string): Held {
    const held = this.#held.get(id);
    if (held === undefined) throw new TidepoolError('not_found', `this VM has no service ${id}`);
    return held;
  }

  #checkRoom(spec: ServiceSpec): void {
    for (const { service } of this.#held.values()) {
      const other = service.spec;
      if (other.service !== spec.service)
        throw new TidepoolError('conflict', `this VM is of the service ${other.service}, not of ${spec.service}`);
      if (other.port === spec.port)
        throw new TidepoolError('conflict', `port ${spec.port} is held by ${other.id}; it must be removed first`);
    }
  }

  async #arrive(service: Service, runtimePath: string, files: AsyncIterable<Uint8Array>): Promise<() => Promise<void>> {
    const network = this.#ensureNetwork();
    network.catch(() => undefined); // Thrown below, when the files are there.
    const slot = await this.#slots.take();
    try {
      await receiveFiles(service, slot, files);
      await network;
      const shared = sharedPaths(slot);
      await mkdir(shared.folder);
      // Sticky: the container can make files, and not take ours away.
      await chmod(shared.folder, 0o1777);
      const socket = await StoreSocket.open(shared.store, this.#relay, this.#clock);
      const plan = servicePlan(service.spec, slot, runtimePath, this.#vm);
      service.begin({ slot, plan, statusPath: shared.status });
      return async () => {
        await socket.close();
        // Emptying the folder may take long, and nobody need wait for it.
        void this.#slots.release(slot.number);
      };
    } catch (error) {
      void this.#slots.release(slot.number);
      throw error;
    }
  }

  /** A failure is tried again at the next start. */
  #ensureNetwork(): Promise<void> {
    this.#network ??= makeServiceNetwork(this.#vm.paths.serviceNetwork).catch((error: unknown) => {
      this.#network = undefined;
      throw error;
    });
    return this.#network;
  }
}

async function receiveFiles(service: Service, slot: Slot, files: AsyncIterable<Uint8Array>): Promise<void> {
  const { entry } = service.spec;
  const paths = await unpackFiles(untilLeaving(files, service.leaving), {
    folder: slot.workPath,
    owner: slot.firstUid + jobUid,
    maxBytes: serviceDiskBytes,
    maxFiles: diskQuota(serviceDiskBytes).inodes,
  });
  if (entry.kind === 'handler' && !paths.has(entry.file))
    throw new TidepoolError('invalid', `${entry.file} is not among the files`);
}

async function* untilLeaving(files: AsyncIterable<Uint8Array>, leaving: AbortSignal): AsyncGenerator<Uint8Array> {
  for await (const chunk of files) {
    leaving.throwIfAborted();
    yield chunk;
  }
}
