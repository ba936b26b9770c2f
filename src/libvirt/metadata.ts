import { XMLParser } from 'fast-xml-parser';
import type { MachineTags, PortRequest } from '../domain/hypervisor.ts';
import { element, type Xml } from './xml.ts';

/** Only a name: nothing is fetched from it. The digit is the version of what follows. */
export const metadataNamespace = 'https://tidepool.dev/xmlns/1';

/** A requested port with what was chosen for it. */
export interface PortRecord extends PortRequest {
  /** Port on the host's loopback that leads to it; null where the guest has an address of its own. */
  readonly hostPort: number | null;
}

/** What a domain of ours carries in its own metadata. */
export interface MachineRecord {
  readonly installationId: string;
  readonly tags: MachineTags;
  readonly ports: readonly PortRecord[];
  /** `user`, `network` or `bridge`. */
  readonly network: string;
}

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
      network: record.network,
    },
    ...record.ports.map((port) =>
      element('tidepool:port', {
        name: port.name,
        protocol: port.protocol,
        guest: port.guestPort,
        host: port.hostPort ?? undefined,
      }),
    ),
  );
}

const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '',
  removeNSPrefix: true,
  parseAttributeValue: false,
  isArray: (name) => name === 'port',
});

/** The record, or undefined when the text is not one of ours: metadata can be edited by anybody who may use libvirt. */
export function parseMetadata(xml: string): MachineRecord | undefined {
  const machine = member(parser.parse(xml), 'machine');
  const installationId = word(machine, 'installation');
  const pool = word(machine, 'pool');
  const role = word(machine, 'role');
  const imageId = word(machine, 'image');
  const keyId = word(machine, 'key');
  const network = word(machine, 'network');
  const createdAtMs = Number(word(machine, 'created'));
  if (installationId === undefined || pool === undefined || imageId === undefined || keyId === undefined)
    return undefined;
  if ((role !== 'worker' && role !== 'probe') || network === undefined || !Number.isSafeInteger(createdAtMs))
    return undefined;
  const ports = portRecords(member(machine, 'port'));
  if (ports === undefined) return undefined;
  return { installationId, tags: { pool, role, imageId, keyId, createdAtMs }, ports, network };
}

function portRecords(found: unknown): PortRecord[] | undefined {
  const records: PortRecord[] = [];
  for (const port of Array.isArray(found) ? found : []) {
    const name = word(port, 'name');
    const protocol = word(port, 'protocol');
    const guestPort = portNumber(word(port, 'guest'));
    const host = word(port, 'host');
    const hostPort = host === undefined ? null : portNumber(host);
    if (name === undefined || (protocol !== 'tcp' && protocol !== 'udp')) return undefined;
    if (guestPort === undefined || hostPort === undefined) return undefined;
    records.push({ name, protocol, guestPort, hostPort });
  }
  return records;
}

function portNumber(text: string | undefined): number | undefined {
  const value = Number(text);
  return Number.isInteger(value) && value >= 1 && value <= 65_535 ? value : undefined;
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function word(value: unknown, name: string): string | undefined {
  const found = member(value, name);
  return typeof found === 'string' ? found : undefined;
}
