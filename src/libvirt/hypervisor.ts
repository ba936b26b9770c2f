import { mkdir } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import type { Clock } from '../domain/clock.ts';
import { TidepoolError, toTidepoolError } from '../domain/errors.ts';
import {
  type HostInfo,
  type HostRoom,
  type Hypervisor,
  type Machine,
  type MachineEvent,
  type MachineNetwork,
  type MachineSpec,
  type MachineState,
  type MachineStats,
  nameTaken,
  type ProbeResult,
  type ProbeSpec,
} from '../domain/hypervisor.ts';
import { checkMachineSpec } from '../domain/machine-spec.ts';
import { type Loop, startLoop } from '../reconcile/loop.ts';
import { Backlogs } from './backlog.ts';
import { type HostCapabilities, readCapabilities } from './capabilities.ts';
import { type CreateContext, createMachine, deleteFiles, undefineDomain } from './create.ts';
import { DatagramGateways } from './datagrams/gateways.ts';
import { isLibvirtError, libvirtCode } from './errors.ts';
import { readHostInfo } from './host-info.ts';
import { readHostRoom } from './host-room.ts';
import { namesOfOldFiles } from './leftovers.ts';
import { type LaneName, LibvirtLink, type LifecycleEvent } from './link.ts';
import { checkLocalFiles } from './local-files.ts';
import { MachineReader, type OwnDomain } from './machine-reader.ts';
import { datagramPlan, hostPorts } from './metadata.ts';
import { networkTrouble } from './network-trouble.ts';
import { PortPicker } from './ports.ts';
import { Probes } from './probe.ts';
import { type Procedure, procedures } from './procedures.ts';
import type { Environment } from './socket-paths.ts';
import { OverlayFolder } from './storage.ts';
import { MachineTracker } from './tracker.ts';
import type { DomainRef } from './types.ts';
import { parseLibvirtUri } from './uri.ts';
import { uuidText } from './uuid.ts';

export interface LibvirtHypervisorOptions {
  /** A libvirt URI: `qemu:///system`, `qemu:///session`, `qemu+tcp://`, `qemu+tls://` or `qemu+ssh://host/system`. */
  readonly uri: string;
  /** Absolute folder for overlays and secrets; QEMU's user must be able to pass through it. */
  readonly machineDir: string;
  readonly installationId: string;
  readonly clock: Clock;
  /** The environment of the process: a session daemon is found, and started, by it. */
  readonly env: Environment;
  log(message: string): void;
}

/** VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN */
const powerButton = 1;
const sweepEveryMs = 900_000;

/** Connects to a libvirt daemon. Errors: `unavailable`, `unauthenticated`, `timeout`, `invalid` (the URI). */
export async function connectLibvirtHypervisor(options: LibvirtHypervisorOptions): Promise<Hypervisor> {
  await mkdir(options.machineDir, { recursive: true, mode: 0o711 });
  return LibvirtHypervisor.open(options);
}

class LibvirtHypervisor implements Hypervisor {
  readonly uri: string;
  readonly #options: LibvirtHypervisorOptions;
  readonly #link: LibvirtLink;
  readonly #capabilities: HostCapabilities;
  readonly #reader: MachineReader;
  readonly #overlays: OverlayFolder;
  readonly #probes: Probes;
  readonly #ports: PortPicker;
  readonly #datagrams: DatagramGateways;
  readonly #backlogs: Backlogs;
  readonly #tracker = new MachineTracker();
  readonly #listeners = new Set<(event: MachineEvent) => void>();
  /** Names that are being created: libvirt knows them only later. */
  readonly #creating = new Set<string>();
  /** Removals under way, by name: one that is asked for again is not begun again. */
  readonly #removing = new Map<string, Promise<void>>();
  /** UUIDs of machines whose ports' backlogs were seen to. */
  #widened = new Set<string>();
  #sweeping: Loop | undefined;
  readonly #isLocal: boolean;
  #refreshing: Promise<void> | undefined;
  #refreshAgain = false;

  private constructor(options: LibvirtHypervisorOptions, link: LibvirtLink, capabilities: HostCapabilities) {
    this.uri = options.uri;
    this.#options = options;
    this.#link = link;
    this.#capabilities = capabilities;
    this.#ports = new PortPicker(options.clock);
    this.#reader = new MachineReader(link, options.clock, options.installationId);
    this.#overlays = new OverlayFolder(link, options.machineDir);
    this.#probes = new Probes(link, options.clock);
    this.#datagrams = new DatagramGateways(options.clock, options.log);
    this.#backlogs = new Backlogs(options.env, options.log);
    this.#isLocal = parseLibvirtUri(options.uri).transport === 'unix';
  }

  static async open(options: LibvirtHypervisorOptions): Promise<LibvirtHypervisor> {
    const { uri, clock, env, log } = options;
    // Events may come before there is a hypervisor; the list that it reads first has what they tell.
    let hypervisor: LibvirtHypervisor | undefined;
    const link = await LibvirtLink.open({
      uri,
      clock,
      env,
      log,
      onLifecycle: (event) => hypervisor?.onLifecycle(event),
      onLost: (reason) => hypervisor?.onLost(reason),
      onReconnect: () => hypervisor?.refresh(),
    });
    try {
      hypervisor = new LibvirtHypervisor(options, link, await readCapabilities(link));
      hypervisor.#tracker.observe(await hypervisor.#reader.list());
      await hypervisor.#adopt();
      if (hypervisor.#isLocal) hypervisor.#sweeping = hypervisor.#sweep();
      return hypervisor;
    } catch (error) {
      await link.close();
      throw error;
    }
  }

  hostInfo(): Promise<HostInfo> {
    return readHostInfo(this.#link);
  }

  async hostRoom(): Promise<HostRoom> {
    return readHostRoom(this.#link, await this.stats(), this.#isLocal ? this.#options.machineDir : null);
  }

  networkTrouble(network: MachineNetwork): Promise<string | undefined> {
    return networkTrouble(this.#link, network, this.#isLocal);
  }

  list(): Promise<Machine[]> {
    return this.#reader.list();
  }

  async get(name: string): Promise<Machine | undefined> {
    const found = await this.#reader.find(name);
    return found === undefined ? undefined : this.#reader.machine(found);
  }

  async create(spec: MachineSpec): Promise<Machine> {
    checkMachineSpec(spec);
    if (this.#isLocal) await checkLocalFiles(spec);
    if (this.#creating.has(spec.name)) throw nameTaken(spec.name);
    this.#creating.add(spec.name);
    try {
      if ((await this.#reader.lookup(spec.name)) !== undefined) throw nameTaken(spec.name);
      await createMachine(this.#createContext(spec.name), spec);
    } finally {
      this.#creating.delete(spec.name);
    }
    const machine = await this.get(spec.name);
    if (machine === undefined)
      throw new TidepoolError('upstream', `machine ${spec.name} was gone right after its start`);
    return machine;
  }

  async suspend(name: string): Promise<void> {
    await this.#inState(name, 'running', procedures.domainSuspend);
  }

  async resume(name: string): Promise<void> {
    await this.#inState(name, 'paused', procedures.domainResume);
  }

  async shutdown(name: string): Promise<void> {
    const { domain } = await this.#mustFind(name);
    await this.#link.call(procedures.domainShutdown, { domain, flags: powerButton });
  }

  async destroy(name: string): Promise<void> {
    await this.#pullPlug((await this.#mustFind(name, 'end')).domain);
  }

  async remove(name: string): Promise<void> {
    if (this.#creating.has(name)) throw new TidepoolError('conflict', `machine ${name} is being created`);
    const removal = this.#removing.get(name) ?? this.#remove(name).finally(() => this.#removing.delete(name));
    this.#removing.set(name, removal);
    await removal;
  }

  async #remove(name: string): Promise<void> {
    const found = await this.#reader.find(name, 'end');
    if (found !== undefined) {
      await this.#pullPlug(found.domain);
      await this.#undefine(found.domain);
      this.#datagrams.close(name);
      this.#ports.rest(hostPorts(found.record));
    }
    await deleteFiles({ overlays: this.#overlays, machineDir: this.#options.machineDir }, name);
  }

  stats(): Promise<MachineStats[]> {
    return this.#reader.stats();
  }

  onEvent(listener: (event: MachineEvent) => void): () => void {
    const own = (event: MachineEvent): void => listener(event);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  async openConsole(name: string): Promise<Duplex> {
    const { domain } = await this.#mustFind(name);
    return this.#link.openStream(procedures.domainOpenConsole, { domain, device: null, flags: 0 });
  }

  probe(spec: ProbeSpec): Promise<ProbeResult> {
    return this.#probes.run(spec);
  }

  async close(): Promise<void> {
    this.#listeners.clear();
    this.#datagrams.closeAll();
    await this.#sweeping?.stop();
    await this.#overlays.release().catch(() => undefined);
    await this.#link.close();
    await this.#refreshing;
  }

  #createContext(name: string): CreateContext {
    const { machineDir, installationId, log } = this.#options;
    return {
      link: this.#link,
      overlays: this.#overlays,
      ports: this.#ports,
      datagrams: this.#datagrams,
      backlogs: this.#backlogs,
      machineDir,
      installationId,
      changesOwners: this.#capabilities.changesOwners,
      portsOfMachines: () => this.#reader.knownPorts(),
      expect: (uuid) => this.#tracker.expect(uuid, name),
      forget: (uuid) => this.#tracker.forget(uuid),
      log,
    };
  }

  async #mustFind(name: string, lane?: LaneName): Promise<OwnDomain> {
    const found = await this.#reader.find(name, lane);
    if (found === undefined) throw new TidepoolError('not_found', `there is no machine ${name} at ${this.uri}`);
    return found;
  }

  /** libvirt takes some of these calls in a wrong state without a word. */
  async #inState(name: string, wanted: MachineState, procedure: Procedure<{ domain: DomainRef }, void>): Promise<void> {
    const { domain } = await this.#mustFind(name);
    const state = await this.#reader.state(domain);
    if (state !== wanted) throw new TidepoolError('conflict', `machine ${name} is ${state}, not ${wanted}`);
    await this.#link.call(procedure, { domain });
  }

  async #pullPlug(domain: DomainRef): Promise<void> {
    try {
      await this.#link.call(procedures.domainDestroy, { domain, flags: 0 });
    } catch (error) {
      // Off already, or gone.
      if (!isLibvirtError(error, libvirtCode.operationInvalid, libvirtCode.noDomain)) throw error;
    }
  }

  async #undefine(domain: DomainRef): Promise<void> {
    try {
      await undefineDomain(this.#link, domain);
    } catch (error) {
      if (!isLibvirtError(error, libvirtCode.noDomain)) throw error;
    }
  }

  private onLifecycle(lifecycle: LifecycleEvent): void {
    if (this.#probes.take(lifecycle)) return;
    const uuid = uuidText(lifecycle.domain.uuid);
    if (this.#tracker.knows(uuid)) {
      const event = this.#tracker.apply(uuid, lifecycle.event, lifecycle.detail);
      if (event !== undefined) this.#emit(event);
    } else {
      this.refresh();
    }
  }

  private onLost(reason: TidepoolError): void {
    this.#probes.fail(reason);
  }

  /** Looks at everything again: a domain that we do not know may be ours, made by another process. */
  private refresh(): void {
    this.#refreshAgain = true;
    this.#refreshing ??= this.#refreshWhileAsked().finally(() => {
      this.#refreshing = undefined;
    });
  }

  async #refreshWhileAsked(): Promise<void> {
    while (this.#refreshAgain) {
      this.#refreshAgain = false;
      this.#tracker.beginList();
      try {
        for (const event of this.#tracker.observe(await this.#reader.list())) this.#emit(event);
        await this.#adopt();
      } catch (error) {
        // When the connection is lost, the next one refreshes again.
        this.#options.log(`machines at ${this.uri} could not be listed: ${toTidepoolError(error).message}`);
      }
    }
  }

  /** What machines that run need of us beside libvirt: after a start, and for what another process made. */
  async #adopt(): Promise<void> {
    const running = await this.#reader.running();
    const plans = running.flatMap(({ domain, record }) => {
      const plan = datagramPlan(record);
      return plan === undefined ? [] : [[domain.name, plan] as const];
    });
    await this.#datagrams.adopt(new Map(plans));
    const fresh = running.filter(({ uuid }) => !this.#widened.has(uuid));
    await this.#backlogs.widen(fresh.flatMap(({ record }) => record.ports));
    this.#widened = new Set(running.map(({ uuid }) => uuid));
  }

  /** Deletes files of machines that are gone: whoever removed one may have been killed before it came to them. */
  #sweep(): Loop {
    const { clock, log, machineDir } = this.#options;
    const step = async (): Promise<void> => {
      for (const name of await namesOfOldFiles(machineDir, clock.now())) {
        if ((await this.#reader.lookup(name)) !== undefined) continue;
        if (this.#creating.has(name) || this.#removing.has(name)) continue;
        await deleteFiles({ overlays: this.#overlays, machineDir }, name);
        log(`files of machine ${name}, which is gone, were still in ${machineDir} and have been deleted`);
      }
    };
    const onError = (error: unknown): void => log(`files in ${machineDir}: ${toTidepoolError(error).message}`);
    return startLoop({ name: 'leftovers', clock, periodMs: sweepEveryMs, step, onError });
  }

  #emit(event: MachineEvent): void {
    const isOff = event.kind === 'stopped' || event.kind === 'crashed' || event.kind === 'gone';
    // A late event of an earlier machine says nothing of the gateway of the one that is being made.
    if (isOff && !this.#creating.has(event.name)) this.#datagrams.close(event.name);
    for (const listener of [...this.#listeners]) listener(event);
  }
}
