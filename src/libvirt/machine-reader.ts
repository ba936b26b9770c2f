import type { Clock } from '../domain/clock.ts';
import { TidepoolError } from '../domain/errors.ts';
import type { Endpoint, Machine, MachineState, MachineStats } from '../domain/hypervisor.ts';
import { afterListening } from '../reconcile/lateness.ts';
import { eachOf } from '../reconcile/places.ts';
import { isLibvirtError, libvirtCode } from './errors.ts';
import { machineState, pauseReason } from './lifecycle.ts';
import type { LaneName, LibvirtLink } from './link.ts';
import { hostPorts, type MachineRecord, metadataNamespace, parseMetadata } from './metadata.ts';
import { Parameters } from './parameters.ts';
import { portKey } from './ports.ts';
import { procedures } from './procedures.ts';
import type { DomainRef } from './types.ts';
import { uuidText } from './uuid.ts';

/** VIR_DOMAIN_STATS_* */
const statsOf = { state: 1, cpuTotal: 2, balloon: 4, vcpu: 8, network: 16, block: 32 } as const;
const allStats = statsOf.state | statsOf.cpuTotal | statsOf.balloon | statsOf.vcpu | statsOf.network | statsOf.block;
/** Statistics that libvirt knows without asking the process of any machine. */
const hostStats = statsOf.state | statsOf.cpuTotal;
/** How long all statistics may take before those of the host alone are asked for: one process that stands holds them up. */
const allStatsWithinMs = 400;
/**
 * VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT: a machine that is busy must not hold up the others. libvirt leaves out then
 * what only the machine's process could tell.
 */
const noWait = 0x2000_0000;
/** VIR_DOMAIN_METADATA_ELEMENT */
const metadataElement = 2;
/** VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_* */
const addressSource = { lease: 0, arp: 2 } as const;
const ipv4 = 0;
const loopback = '127.0.0.1';
/** Maximum number of questions on single domains that one list has under way, so that other lists come to their turn. */
const mostAsked = 2;

export interface OwnDomain {
  readonly domain: DomainRef;
  readonly uuid: string;
  readonly record: MachineRecord;
}

interface OwnStats {
  readonly found: OwnDomain;
  readonly params: Parameters;
}

/** Reads our machines back from libvirt. */
export class MachineReader {
  readonly #link: LibvirtLink;
  readonly #clock: Clock;
  readonly #installationId: string;
  /** Metadata never changes while a domain lives; null marks a stranger. */
  readonly #records = new Map<string, MachineRecord | null>();
  /** Addresses of machines while they run: an id of libvirt's is that of one run. By UUID. */
  readonly #addresses = new Map<string, { readonly id: number; readonly host: string }>();
  /** Number of our machines at the last list. */
  #lastCount = 0;
  #listing: Promise<Machine[]> | undefined;
  #listingNext: Promise<Machine[]> | undefined;
  #asking: Promise<MachineStats[]> | undefined;
  /** A question for all statistics that has not been answered yet. */
  #askingAll: Promise<OwnStats[]> | undefined;
  #lastStats = new Map<string, MachineStats>();

  constructor(link: LibvirtLink, clock: Clock, installationId: string) {
    this.#link = link;
    this.#clock = clock;
    this.#installationId = installationId;
  }

  /**
   * Every machine of ours. Callers that come while a list is read share the next one: that one has what they did before. At
   * most two lists are under way, however many pools ask.
   */
  list(): Promise<Machine[]> {
    if (this.#listing === undefined) return this.#beginList();
    this.#listingNext ??= this.#listing
      .catch(() => undefined)
      .then(() => {
        this.#listingNext = undefined;
        return this.list();
      });
    return this.#listingNext;
  }

  /** Those of our machines that run. */
  async running(): Promise<OwnDomain[]> {
    const own = await this.#ownStats([], statsOf.state);
    return own
      .filter(({ params }) => isUp(machineState(params.number('state.state'), params.number('state.reason'))))
      .map(({ found }) => found);
  }

  /** Ports of the host that the last list knew as ours, those of machines that are off too. */
  knownPorts(): Set<string> {
    const records = [...this.#records.values()].filter((record) => record !== null);
    return new Set(records.flatMap((record) => hostPorts(record).map(portKey)));
  }

  /** Callers at the same time share one answer: libvirt would leave things out of the second one. */
  stats(): Promise<MachineStats[]> {
    this.#asking ??= this.#askStats().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  /** Undefined when there is no such domain, or it is not ours. A domain whose process is being ended holds up its lane. */
  async find(name: string, lane?: LaneName): Promise<OwnDomain | undefined> {
    const domain = await this.lookup(name, lane);
    return domain === undefined ? undefined : this.#own(domain, lane);
  }

  /** Any domain of that name, a stranger's too. */
  async lookup(name: string, lane?: LaneName): Promise<DomainRef | undefined> {
    try {
      return (await this.#link.call(procedures.domainLookupByName, { name }, lane)).domain;
    } catch (error) {
      if (isLibvirtError(error, libvirtCode.noDomain)) return undefined;
      throw error;
    }
  }

  async machine(found: OwnDomain): Promise<Machine | undefined> {
    const [own] = await this.#ownStats([found.domain], statsOf.state);
    return own === undefined ? undefined : this.#machine(own.found, own.params);
  }

  async state(domain: DomainRef): Promise<MachineState> {
    const { state, reason } = await this.#link.call(procedures.domainGetState, { domain, flags: 0 });
    return machineState(state, reason);
  }

  async #askStats(): Promise<MachineStats[]> {
    const own = (await this.#allStats()) ?? (await this.#ownStats([], hostStats));
    const entries = own.map(({ found, params }) => {
      const stats = machineStats(found, params, this.#lastStats.get(found.uuid));
      return [found.uuid, stats] as const;
    });
    this.#lastStats = new Map(entries);
    return entries.map(([, stats]) => stats);
  }

  /**
   * All statistics, unless they take long: libvirt asks the process of each machine in turn, and one that stands does not
   * answer. An answer that came late would be of another moment than its caller's.
   */
  async #allStats(): Promise<OwnStats[] | undefined> {
    if (this.#askingAll !== undefined) return undefined;
    this.#askingAll = this.#ownStats([], allStats).finally(() => {
      this.#askingAll = undefined;
    });
    this.#askingAll.catch(() => undefined); // It may fail long after nobody waits for it any more.
    const late = Promise.withResolvers<undefined>();
    const cancel = afterListening(this.#clock, allStatsWithinMs, () => late.resolve(undefined));
    return Promise.race([this.#askingAll, late.promise]).finally(cancel);
  }

  #beginList(): Promise<Machine[]> {
    this.#listing = this.#readList().finally(() => {
      this.#listing = undefined;
    });
    return this.#listing;
  }

  async #readList(): Promise<Machine[]> {
    const own = await this.#ownStats([], statsOf.state);
    return eachOf(own, mostAsked, ({ found, params }) => this.#machine(found, params));
  }

  /** The statistics of these domains, or of all, as far as they are ours. */
  async #ownStats(domains: readonly DomainRef[], stats: number): Promise<OwnStats[]> {
    const isAll = domains.length === 0;
    // A single machine may be locked for long, which must not hold up the lists.
    const lane = isAll ? 'look' : 'make';
    const call = this.#link.call(procedures.connectGetAllDomainStats, { domains, stats, flags: noWait }, lane);
    const { records } = await call.catch((error: unknown) => {
      // It says that a machine is gone only when that machine was asked for. Nothing else may mean that there is none.
      if (!isAll && isLibvirtError(error, libvirtCode.noDomain)) return { records: [] };
      throw error;
    });
    if (isAll) {
      if (records.length === 0 && this.#lastCount > 0) await this.#checkThatNoneIsThere();
      this.#forgetAllBut(records.map(({ domain }) => uuidText(domain.uuid)));
    }
    const owners = await eachOf(records, mostAsked, ({ domain }) => this.#own(domain, lane));
    const own = records.flatMap(({ params }, index) => {
      const found = owners[index];
      return found === undefined ? [] : [{ found, params: new Parameters(params) }];
    });
    if (isAll) this.#lastCount = own.length;
    return own;
  }

  /** All machines gone at once is far less likely than an answer that is wrong: libvirt is asked in another way first. */
  async #checkThatNoneIsThere(): Promise<void> {
    const { domains } = await this.#link.call(procedures.connectListAllDomains, { needResults: 1, flags: 0 });
    if (domains.length === 0) return;
    const message = `libvirt tells of no statistics, and of ${domains.length} domains: its list is not to be trusted`;
    throw new TidepoolError('upstream', message);
  }

  async #own(domain: DomainRef, lane?: LaneName): Promise<OwnDomain | undefined> {
    const uuid = uuidText(domain.uuid);
    let record = this.#records.get(uuid);
    if (record === undefined) {
      record = await this.#readRecord(domain, lane);
      this.#records.set(uuid, record);
    }
    return record === null ? undefined : { domain, uuid, record };
  }

  async #readRecord(domain: DomainRef, lane?: LaneName): Promise<MachineRecord | null> {
    try {
      const args = { domain, type: metadataElement, uri: metadataNamespace, flags: 0 };
      const { metadata } = await this.#link.call(procedures.domainGetMetadata, args, lane);
      const record = parseMetadata(metadata);
      return record?.installationId === this.#installationId ? record : null;
    } catch (error) {
      if (isLibvirtError(error, libvirtCode.noMetadata, libvirtCode.noDomain)) return null;
      throw error;
    }
  }

  #forgetAllBut(uuids: readonly string[]): void {
    const there = new Set(uuids);
    for (const uuid of this.#records.keys()) if (!there.has(uuid)) this.#records.delete(uuid);
    for (const uuid of this.#addresses.keys()) if (!there.has(uuid)) this.#addresses.delete(uuid);
  }

  async #machine({ domain, uuid, record }: OwnDomain, params: Parameters): Promise<Machine> {
    const state = machineState(params.number('state.state'), params.number('state.reason'));
    return {
      name: domain.name,
      uuid,
      state,
      pauseReason: pauseReason(params.number('state.state'), params.number('state.reason')),
      tags: record.tags,
      flavor: { vcpus: record.vcpus, memoryMiB: record.memoryMiB },
      endpoints: await this.#endpoints(domain, uuid, record, state),
    };
  }

  async #endpoints(domain: DomainRef, uuid: string, record: MachineRecord, state: MachineState): Promise<Endpoint[]> {
    if (record.network === 'user') {
      return record.ports.flatMap(({ name, protocol, hostPort }) =>
        hostPort === null ? [] : [{ name, protocol, host: loopback, port: hostPort }],
      );
    }
    const host = isUp(state) ? await this.#knownAddress(domain, uuid, record) : undefined;
    if (host === undefined) return [];
    return record.ports.map(({ name, protocol, guestPort }) => ({ name, protocol, host, port: guestPort }));
  }

  async #knownAddress(domain: DomainRef, uuid: string, record: MachineRecord): Promise<string | undefined> {
    const known = this.#addresses.get(uuid);
    if (known?.id === domain.id) return known.host;
    const host = await this.#guestAddress(domain, record);
    if (host !== undefined) this.#addresses.set(uuid, { id: domain.id, host });
    return host;
  }

  /** From the leases of libvirt's network, or from the host's own neighbour table. Undefined while there is none. */
  async #guestAddress(domain: DomainRef, record: MachineRecord): Promise<string | undefined> {
    const source = record.network === 'network' ? addressSource.lease : addressSource.arp;
    const { interfaces } = await this.#link.call(procedures.domainInterfaceAddresses, { domain, source, flags: 0 });
    return interfaces.flatMap(({ addresses }) => addresses).find(({ type }) => type === ipv4)?.address;
  }
}

function isUp(state: MachineState): boolean {
  return state === 'running' || state === 'paused';
}

/** From libvirt 8.1 on. */
function cpuDelayNs(params: Parameters, vcpus: number): bigint | null {
  let total = 0n;
  for (let i = 0; i < vcpus; i += 1) {
    if (!params.has(`vcpu.${i}.delay`)) return null;
    total += params.bigint(`vcpu.${i}.delay`);
  }
  return total;
}

/** Counters that libvirt left out keep the value that they had, so that they never seem to fall. */
function machineStats({ domain, record }: OwnDomain, params: Parameters, last: MachineStats | undefined): MachineStats {
  const state = machineState(params.number('state.state'), params.number('state.reason'));
  const isBusy = isUp(state) && !params.has('balloon.rss');
  const counters = isBusy ? last : undefined;
  return {
    name: domain.name,
    state,
    vcpus: record.vcpus,
    cpuTimeNs: params.has('cpu.time') || !isUp(state) ? params.bigint('cpu.time') : null,
    cpuDelayNs: cpuDelayNs(params, record.vcpus),
    memoryBytes: record.memoryMiB * 1024 ** 2,
    memoryRssBytes: counters?.memoryRssBytes ?? params.number('balloon.rss') * 1024,
    diskReadBytes: counters?.diskReadBytes ?? Number(params.sum('block', 'rd.bytes')),
    diskWriteBytes: counters?.diskWriteBytes ?? Number(params.sum('block', 'wr.bytes')),
    networkReceiveBytes: counters?.networkReceiveBytes ?? Number(params.sum('net', 'rx.bytes')),
    networkTransmitBytes: counters?.networkTransmitBytes ?? Number(params.sum('net', 'tx.bytes')),
  };
}
