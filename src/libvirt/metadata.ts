import { XMLParser } from 'fast-xml-parser';
import type { MachineTags, PortRequest } from '../domain/hypervisor.ts';
import type { DatagramPlan } from './datagrams/gateway.ts';
import { element, type Xml } from './xml.ts';

/** Only a name: nothing is fetched from it. The digit is the version of what follows. */
export const metadataNamespace = 'https://tidepool.dev/xmlns/1';

/** A requested port with what was chosen for it. */
export interface PortRecord extends PortRequest {
  /** Port on the host's loopback that leads to it; null where the guest has an address of its own. */
  readonly hostPort: number | null;
}

/** Ports of the cable between a machine's process (`guest`) and the gateway of its datagrams (`host`). */
export interface FramePorts {
  readonly host: number;
  readonly guest: number;
}

/** What a domain of ours carries in its own metadata. */
export interface MachineRecord {
  readonly installationId: string;
  readonly tags: MachineTags;
  /** Here too, because libvirt has to stop a machine's other work for a moment to tell them. */
  readonly vcpus: number;
  readonly memoryMiB: number;
  readonly ports: readonly PortRecord[];
  /** Where frames of its service device go to and come from, on the host's loopback; null unless that is for datagrams. */
  readonly frames: FramePorts | null;
  /** `user`, `network` or `bridge`. */
  readonly network: string;
}

/** How datagrams get to the machine's service device; undefined when none do. */
export function datagramPlan({ frames, ports }: Pick<MachineRecord, 'frames' | 'ports'>): DatagramPlan | undefined {
  if (frames === null) return undefined;
  const forwards = ports.flatMap(({ device, guestPort, hostPort }) =>
    device === 'service' && hostPort !== null ? [{ hostPort, guestPort }] : [],
  );
  return { hostFramePort: frames.host, guestFramePort: frames.guest, forwards };
}

/** All ports of the host's loopback that a machine has, those of its cable too. */
export function hostPorts({ frames, ports }: Pick<MachineRecord, 'frames' | 'ports'>): PortRecord[] {
  const cable = frames === null ? [] : [frames.host, frames.guest];
  return [
    ...ports.filter(({ hostPort }) => hostPort !== null),
    ...cable.map((hostPort) => ({ name: 'cable', protocol: 'udp' as const, guestPort: 0, hostPort })),
  ];
}

/** The element that goes into a domain's `<metadata>`. */
export function metadataXml(record: MachineRecord): Xml {
  const { tags } = record;
  return element(
    'tidepool:machine',
    {
      'xmlns:tidepool': metadataNamespace,
      installation: record.installationId,
      pool: tags.pool,
      role: tags.role,
      image: tags.imageId,
      key: tags.keyId,
      created: tags.createdAtMs,
      vcpus: record.vcpus,
      memory: record.memoryMiB,
      network: record.network,
      'host-frames': record.frames?.host,
      'guest-frames': record.frames?.guest,
    },
    ...record.ports.map((port) =>
      element('tidepool:port', {
        name: port.name,
        protocol: port.protocol,
        guest: port.guestPort,
        host: port.hostPort ?? undefined,
        device: port.device,
      }),
    ),
  );
}

const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '',
  removeNSPrefix: true,
  parseAttributeValue: false,
  trimValues: false,
  // Numeric entities are among these for this parser.
  htmlEntities: true,
  isArray: (name) => name === 'port',
});

/** The record, or undefined when the text is not one of ours: metadata can be edited by anybody who may use libvirt. */
export function parseMetadata(xml: string): MachineRecord | undefined {
  const machine = member(parser.parse(xml), 'machine');
  const installationId = word(machine, 'installation');
  const network = word(machine, 'network');
  const vcpus = wholeNumber(word(machine, 'vcpus'));
  const memoryMiB = wholeNumber(word(machine, 'memory'));
  const tags = machineTags(machine);
  const ports = portRecords(member(machine, 'port'));
  const frames = framePorts(machine);
  if (installationId === undefined || network === undefined || tags === undefined) return undefined;
  if (vcpus === undefined || memoryMiB === undefined || ports === undefined || frames === undefined) return undefined;
  return { installationId, tags, vcpus, memoryMiB, ports, frames, network };
}

/** Undefined when they are wrong. */
function framePorts(machine: unknown): FramePorts | null | undefined {
  const texts = [word(machine, 'host-frames'), word(machine, 'guest-frames')];
  if (texts.every((text) => text === undefined)) return null;
  const [host, guest] = texts.map(portNumber);
  return host === undefined || guest === undefined ? undefined : { host, guest };
}

function machineTags(machine: unknown): MachineTags | undefined {
  const pool = word(machine, 'pool');
  const role = word(machine, 'role');
  const imageId = word(machine, 'image');
  const keyId = word(machine, 'key');
  const createdAtMs = wholeNumber(word(machine, 'created'));
  if (role !== 'worker' && role !== 'probe') return undefined;
  if (pool === undefined || imageId === undefined || keyId === undefined || createdAtMs === undefined) return undefined;
  return { pool, role, imageId, keyId, createdAtMs };
}

function portRecords(found: unknown): PortRecord[] | undefined {
  const records: PortRecord[] = [];
  for (const port of Array.isArray(found) ? found : []) {
    const name = word(port, 'name');
    const protocol = word(port, 'protocol');
    const guestPort = portNumber(word(port, 'guest'));
    const host = word(port, 'host');
    const hostPort = host === undefined ? null : portNumber(host);
    const device = word(port, 'device');
    if (name === undefined || (protocol !== 'tcp' && protocol !== 'udp')) return undefined;
    if (guestPort === undefined || hostPort === undefined) return undefined;
    if (device !== undefined && device !== 'guest' && device !== 'service') return undefined;
    records.push({ name, protocol, guestPort, hostPort, ...(device === undefined ? {} : { device }) });
  }
  return records;
}

function portNumber(text: string | undefined): number | undefined {
  const value = wholeNumber(text);
  return value !== undefined && value >= 1 && value <= 65_535 ? value : undefined;
}

function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^[0-9]{1,15}$/.test(text) ? Number(text) : undefined;
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function word(value: unknown, name: string): string | undefined {
  const found = member(value, name);
  return typeof found === 'string' ? found : undefined;
}
