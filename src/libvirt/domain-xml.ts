import type { Accelerator, MachineNetwork, MachineSpec, ProbeSpec } from '../domain/hypervisor.ts';
import { serviceAddress } from '../protocol/agent-service.ts';
import { guestMac, mtu } from './datagrams/frames.ts';
import { type FramePorts, type MachineRecord, metadataXml, type PortRecord } from './metadata.ts';
import { element, type Xml } from './xml.ts';

/** Everything about a machine that was decided before it is defined. */
export interface DomainPlan {
  readonly spec: MachineSpec;
  readonly uuid: string;
  readonly mac: string;
  readonly record: MachineRecord;
  readonly overlayPath: string;
  /** The host gives a machine's files to QEMU's user. */
  readonly changesOwners: boolean;
  /** Path of the file of each secret, by the secret's key. */
  readonly secretPaths: ReadonlyMap<string, string>;
}

const qemuNamespace = 'http://libvirt.org/schemas/domain/qemu/1.0';
const probeMemoryMiB = 256;
/**
 * Slots on the root bus. Given by us, so that libvirt puts no bridge before each device: every bridge costs an emulated
 * guest time at boot. The last slots of the bus are the chipset's own.
 */
const slot = { network: 2, service: 3, random: 4, firstDisk: 5 } as const;

/** The domain of a machine (libvirt: docs/formatdomain.rst). */
export function machineXml(plan: DomainPlan): string {
  const { spec } = plan;
  const { xml } = element(
    'domain',
    { type: domainType(spec.accelerator), 'xmlns:qemu': qemuNamespace },
    element('name', {}, spec.name),
    element('uuid', {}, plan.uuid),
    element('metadata', {}, metadataXml(plan.record)),
    element('memory', { unit: 'MiB' }, String(spec.flavor.memoryMiB)),
    element('vcpu', {}, String(spec.flavor.vcpus)),
    ...secretEntries(plan.secretPaths),
    ...platform(spec.accelerator, spec.boot),
    // What a worker runs is lost with it in any case; the pool replaces it rather than boots it again.
    ...endings('destroy'),
    element(
      'devices',
      {},
      overlayDisk(plan),
      ...spec.sharedDisks.map((disk, index) => sharedDisk(disk.path, disk.serial, index + 1, plan.changesOwners)),
      ...libvirtInterface(spec.network, plan.mac),
      element(
        'rng',
        { model: 'virtio' },
        element('backend', { model: 'random' }, '/dev/urandom'),
        address(slot.random),
      ),
      ...commonDevices(),
    ),
    ...userNetworks(plan),
  );
  return xml;
}

/** A domain with no disk and no network that boots a kernel and its initrd. It reboots on a crash, and so never ends. */
export function probeXml(name: string, uuid: string, spec: ProbeSpec): string {
  const { xml } = element(
    'domain',
    { type: domainType(spec.accelerator) },
    element('name', {}, name),
    element('uuid', {}, uuid),
    element('memory', { unit: 'MiB' }, String(probeMemoryMiB)),
    element('vcpu', {}, '1'),
    ...platform(spec.accelerator, spec),
    ...endings('restart'),
    element('devices', {}, ...commonDevices()),
  );
  return xml;
}

function domainType(accelerator: Accelerator): string {
  return accelerator === 'kvm' ? 'kvm' : 'qemu';
}

function platform(
  accelerator: Accelerator,
  boot: { readonly kernelPath: string; readonly initrdPath: string; readonly commandLine: string },
): Xml[] {
  return [
    element(
      'os',
      {},
      element('type', { arch: 'x86_64', machine: 'q35' }, 'hvm'),
      element('kernel', {}, boot.kernelPath),
      element('initrd', {}, boot.initrdPath),
      element('cmdline', {}, boot.commandLine),
    ),
    element('features', {}, element('acpi')),
    element('cpu', { mode: accelerator === 'kvm' ? 'host-passthrough' : 'maximum' }),
    element('clock', { offset: 'utc' }),
  ];
}

function endings(onCrash: 'destroy' | 'restart'): Xml[] {
  return [element('on_poweroff', {}, 'destroy'), element('on_reboot', {}, onCrash), element('on_crash', {}, onCrash)];
}

function secretEntries(paths: ReadonlyMap<string, string>): Xml[] {
  if (paths.size === 0) return [];
  const entries = [...paths].map(([key, file]) => element('entry', { name: `opt/tidepool/${key}`, file }));
  return [element('sysinfo', { type: 'fwcfg' }, ...entries)];
}

function overlayDisk(plan: DomainPlan): Xml {
  return element(
    'disk',
    { type: 'file', device: 'disk' },
    // `unsafe` leaves out every flush: the overlay is worth nothing once its machine is gone.
    element('driver', { name: 'qemu', type: 'qcow2', cache: 'unsafe', discard: 'unmap' }),
    element('source', { file: plan.overlayPath }),
    // Named here, the chain is not searched for in the files themselves, where a guest could write another.
    element(
      'backingStore',
      { type: 'file' },
      element('format', { type: 'qcow2' }),
      sharedSource(plan.spec.imagePath, plan.changesOwners),
      element('backingStore'),
    ),
    element('target', { dev: diskName(0), bus: 'virtio' }),
    address(slot.firstDisk),
  );
}

function sharedDisk(file: string, serial: string, index: number, changesOwners: boolean): Xml {
  return element(
    'disk',
    { type: 'file', device: 'disk' },
    element('driver', { name: 'qemu', type: 'raw' }),
    sharedSource(file, changesOwners),
    element('target', { dev: diskName(index), bus: 'virtio' }),
    element('readonly'),
    element('serial', {}, serial),
    address(slot.firstDisk + index),
  );
}

/** A file that many machines read keeps its owner: as its owner, a QEMU that was taken over could write to it. */
function sharedSource(file: string, changesOwners: boolean): Xml {
  const keepOwner = element('seclabel', { model: 'dac', relabel: 'no' });
  return element('source', { file }, ...(changesOwners ? [keepOwner] : []));
}

/** vda, vdb ... vdz */
function diskName(index: number): string {
  return `vd${String.fromCharCode('a'.charCodeAt(0) + index)}`;
}

function address(slotNumber: number): Xml {
  return element('address', { type: 'pci', domain: 0, bus: 0, slot: slotNumber, function: 0 });
}

function libvirtInterface(network: MachineNetwork, mac: string): Xml[] {
  if (network.kind === 'user') return [];
  const source = network.kind === 'network' ? { network: network.name } : { bridge: network.name };
  return [
    element(
      'interface',
      { type: network.kind },
      element('mac', { address: mac }),
      element('source', source),
      element('model', { type: 'virtio' }),
      address(slot.network),
    ),
  ];
}

/** libvirt's own user-mode network cannot forward ports, so QEMU is told directly. */
function userNetworks({ spec, mac, record }: DomainPlan): Xml[] {
  if (spec.network.kind !== 'user') return [];
  const servicePorts = record.ports.filter(({ device }) => device === 'service');
  const guestPorts = record.ports.filter((port) => !servicePorts.includes(port));
  const words = [
    '-netdev',
    `user,id=tidepool,restrict=on${guestPorts.map(forwardTo('')).join('')}`,
    '-device',
    networkCard('tidepool', slot.network, mac),
    ...serviceDevice(servicePorts, record.frames),
  ];
  return [element('qemu:commandline', {}, ...words.map((value) => element('qemu:arg', { value })))];
}

/**
 * The second device, on a network of its own. QEMU's user network does not bring back what a guest that is shut off answers
 * over UDP, so for that the device is a cable to our own gateway (datagrams/gateway.ts).
 */
function serviceDevice(ports: readonly PortRecord[], frames: FramePorts | null): string[] {
  if (ports.length === 0) return [];
  const card = networkCard('service', slot.service, guestMac);
  if (frames !== null) {
    const cable = `socket,id=service,udp=127.0.0.1:${frames.host},localaddr=127.0.0.1:${frames.guest}`;
    return ['-netdev', cable, '-device', `${card},host_mtu=${mtu}`];
  }
  const forwards = ports.map(forwardTo(serviceAddress)).join('');
  return ['-netdev', `user,id=service,restrict=on,net=10.0.3.0/24,ipv6=off${forwards}`, '-device', card];
}

/** @param address of the guest; '' is that which QEMU gives out, 10.0.2.15 unless its network is another */
function forwardTo(address: string): (port: PortRecord) => string {
  return ({ protocol, hostPort, guestPort }) => `,hostfwd=${protocol}:127.0.0.1:${hostPort}-${address}:${guestPort}`;
}

function networkCard(netdev: string, slotNumber: number, mac: string): string {
  return `virtio-net-pci,netdev=${netdev},mac=${mac},bus=pcie.0,addr=${slotNumber},romfile=`;
}

function commonDevices(): Xml[] {
  return [
    element('controller', { type: 'usb', model: 'none' }),
    element('memballoon', { model: 'none' }),
    element('serial', { type: 'pty' }, element('target', { port: 0 })),
    element('console', { type: 'pty' }, element('target', { type: 'serial', port: 0 })),
  ];
}
