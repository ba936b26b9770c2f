import { randomBytes, randomUUID } from 'node:crypto';
import { TidepoolError, toTidepoolError } from '../domain/errors.ts';
import type { MachineSpec } from '../domain/hypervisor.ts';
import type { Backlogs } from './backlog.ts';
import type { DatagramGateways } from './datagrams/gateways.ts';
import { machineXml } from './domain-xml.ts';
import type { LibvirtLink } from './link.ts';
import { datagramPlan, type MachineRecord, type PortRecord } from './metadata.ts';
import type { PortPicker } from './ports.ts';
import { procedures } from './procedures.ts';
import { removeSecrets, writeSecrets } from './secrets.ts';
import { isPortTaken, startError } from './start-error.ts';
import type { OverlayFolder } from './storage.ts';
import type { DomainRef } from './types.ts';

export interface CreateContext {
  readonly link: LibvirtLink;
  readonly overlays: OverlayFolder;
  readonly ports: PortPicker;
  readonly datagrams: DatagramGateways;
  readonly backlogs: Backlogs;
  readonly machineDir: string;
  readonly installationId: string;
  readonly changesOwners: boolean;
  /** Ports of the machines that are there, running or not, as `PortPicker.pick` takes them. */
  portsOfMachines(): ReadonlySet<string>;
  /** Told the UUID before libvirt is, so that no event comes unexpected. */
  expect(uuid: string): void;
  forget(uuid: string): void;
  log(message: string): void;
}

const GiB = 1024 ** 3;
/** Each try takes other ports. */
const startTries = 4;
/** VIR_DOMAIN_UNDEFINE_MANAGED_SAVE, _SNAPSHOTS_METADATA, _CHECKPOINTS_METADATA */
const undefineEverything = 1 | 2 | 16;

/** Overlay, secrets, domain, start; on failure all of it is taken back. */
export async function createMachine(context: CreateContext, spec: MachineSpec): Promise<void> {
  const { overlays, machineDir } = context;
  try {
    const [secretPaths] = await Promise.all([
      writeSecrets(machineDir, spec.name, spec.secrets),
      overlays.create(spec.name, spec.imagePath, spec.flavor.diskGiB * GiB),
    ]);
    await startOnFreePorts(context, spec, secretPaths);
  } catch (error) {
    await deleteFiles(context, spec.name).catch((left: unknown) => {
      context.log(`files of ${spec.name} are left behind: ${toTidepoolError(left).message}`);
    });
    throw startError(spec.name, error);
  }
}

/** Undefines a domain that is off. */
export async function undefineDomain(link: LibvirtLink, domain: DomainRef): Promise<void> {
  await link.call(procedures.domainUndefine, { domain, flags: undefineEverything });
}

/** Overlay and secrets of a machine; those that are not there are not an error. */
export async function deleteFiles(
  context: Pick<CreateContext, 'overlays' | 'machineDir'>,
  machineName: string,
): Promise<void> {
  await context.overlays.delete(machineName);
  await removeSecrets(context.machineDir, machineName);
}

async function startOnFreePorts(
  context: CreateContext,
  spec: MachineSpec,
  secretPaths: ReadonlyMap<string, string>,
): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    const ports = await choosePorts(context, spec);
    try {
      const record = recordOf(context, spec, ports);
      const datagrams = datagramPlan(record);
      if (datagrams !== undefined) await context.datagrams.open(spec.name, datagrams);
      await defineAndStart(context, spec, secretPaths, record);
      return await context.backlogs.widen(record.ports);
    } catch (error) {
      context.datagrams.close(spec.name);
      if (!isPortTaken(error)) throw error;
      if (tries === startTries) {
        throw new TidepoolError('exhausted', `${spec.name}: a chosen port was taken ${tries} times`, { cause: error });
      }
    } finally {
      context.ports.release(ports);
    }
  }
}

/** The spec's ports, and after them those of the cable for datagrams when there is one. */
async function choosePorts(context: CreateContext, spec: MachineSpec): Promise<PortRecord[]> {
  if (spec.network.kind !== 'user') return spec.ports.map((port) => ({ ...port, hostPort: null }));
  const hasDatagrams = spec.ports.some(({ device, protocol }) => device === 'service' && protocol === 'udp');
  const cable = ['host', 'guest'].map((name) => ({ name, protocol: 'udp' as const, guestPort: 0 }));
  return context.ports.pick([...spec.ports, ...(hasDatagrams ? cable : [])], context.portsOfMachines());
}

async function defineAndStart(
  context: CreateContext,
  spec: MachineSpec,
  secretPaths: ReadonlyMap<string, string>,
  record: MachineRecord,
): Promise<void> {
  const { link, overlays, changesOwners } = context;
  const uuid = randomUUID();
  const overlayPath = overlays.pathOf(spec.name);
  const xml = machineXml({ spec, uuid, mac: randomMac(), record, overlayPath, secretPaths, changesOwners });
  const domain = await define(context, uuid, xml);
  try {
    await link.call(procedures.domainCreate, { domain, flags: 0 });
  } catch (error) {
    try {
      await undefineDomain(link, domain);
      // Its end, when it is told only now, is not that of the next try, which has the same name.
      context.forget(uuid);
    } catch (left) {
      context.log(`the definition of ${spec.name} is left behind: ${toTidepoolError(left).message}`);
    }
    throw error;
  }
}

async function define(context: CreateContext, uuid: string, xml: string): Promise<DomainRef> {
  context.expect(uuid);
  try {
    return (await context.link.call(procedures.domainDefineXml, { xml, flags: 0 })).domain;
  } catch (error) {
    context.forget(uuid);
    throw error;
  }
}

function recordOf(
  { installationId }: CreateContext,
  { tags, flavor, network, ports }: MachineSpec,
  chosen: readonly PortRecord[],
): MachineRecord {
  const [host, guest] = chosen.slice(ports.length).map(({ hostPort }) => hostPort ?? 0);
  const frames = host === undefined || guest === undefined ? null : { host, guest };
  const { vcpus, memoryMiB } = flavor;
  return {
    installationId,
    tags,
    vcpus,
    memoryMiB,
    ports: chosen.slice(0, ports.length),
    frames,
    network: network.kind,
  };
}

/** In the range that QEMU and libvirt use for guests. */
function randomMac(): string {
  return ['52', '54', '00', ...(randomBytes(3).toString('hex').match(/../g) ?? [])].join(':');
}
