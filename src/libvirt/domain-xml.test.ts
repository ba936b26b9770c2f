import assert from 'node:assert/strict';
import { test } from 'node:test';
import { XMLParser } from 'fast-xml-parser';
import { hasCode } from '../domain/errors.ts';
import type { MachineSpec } from '../domain/hypervisor.ts';
import { type DomainPlan, machineXml, probeXml } from './domain-xml.ts';

const spec: MachineSpec = {
  name: 'w-0000',
  tags: { pool: 'workers', role: 'worker', imageId: 'i', keyId: 'k', createdAtMs: 1 },
  flavor: { name: 'small', vcpus: 2, memoryMiB: 2048, diskGiB: 10 },
  accelerator: 'tcg',
  boot: { kernelPath: '/i/vmlinuz', initrdPath: '/i/initrd', commandLine: `root=/dev/vda a="b" <&> 'c'` },
  imagePath: '/i/disk.qcow2',
  sharedDisks: [{ path: '/r/python.squashfs', serial: 'rt-python' }],
  network: { kind: 'user' },
  ports: [{ name: 'agent', protocol: 'tcp', guestPort: 9000 }],
  secrets: {},
};

function planOf(change: Partial<MachineSpec> = {}, changesOwners = true): DomainPlan {
  const changed = { ...spec, ...change };
  return {
    spec: changed,
    uuid: '00000000-0000-4000-8000-000000000000',
    mac: '52:54:00:01:02:03',
    record: {
      installationId: 'i',
      tags: changed.tags,
      vcpus: 2,
      memoryMiB: 2048,
      ports: changed.ports.map((port) => ({ ...port, hostPort: 40_001 })),
      frames: changed.ports.some(({ protocol }) => protocol === 'udp') ? { host: 40_002, guest: 40_003 } : null,
      network: changed.network.kind,
    },
    overlayPath: '/m/w-0000.qcow2',
    secretPaths: new Map([['agent-key', '/m/w-0000.secrets/agent-key']]),
    changesOwners,
  };
}

const parser = new XMLParser({ ignoreAttributes: false, attributeNamePrefix: '@', parseTagValue: false });

test('what was asked for stands in the XML, escaped', () => {
  const { domain } = parser.parse(machineXml(planOf()));
  assert.equal(domain['@type'], 'qemu');
  assert.equal(domain.name, 'w-0000');
  assert.equal(domain.vcpu, '2');
  assert.deepEqual(domain.memory, { '#text': '2048', '@unit': 'MiB' });
  assert.equal(domain.os.cmdline, spec.boot.commandLine);
  assert.deepEqual(domain.sysinfo.entry, { '@name': 'opt/tidepool/agent-key', '@file': '/m/w-0000.secrets/agent-key' });
  assert.equal(domain.devices.disk.length, 2);
  assert.equal(domain.devices.disk[1].serial, 'rt-python');
  assert.ok('readonly' in domain.devices.disk[1]);
});

test('no screen, sound, USB or balloon; a reboot ends the machine', () => {
  const xml = machineXml(planOf());
  const { domain } = parser.parse(xml);
  assert.ok(!/graphics|video|sound|input|channel/.test(xml));
  assert.equal(domain.devices.controller['@model'], 'none');
  assert.equal(domain.devices.memballoon['@model'], 'none');
  assert.deepEqual([domain.on_poweroff, domain.on_reboot, domain.on_crash], ['destroy', 'destroy', 'destroy']);
});

test('the user network shuts the guest off and forwards only what was asked for', () => {
  const { domain } = parser.parse(machineXml(planOf()));
  const words = domain['qemu:commandline']['qemu:arg'].map((arg: Record<string, string>) => arg['@value']);
  assert.deepEqual(words.slice(0, 2), ['-netdev', 'user,id=tidepool,restrict=on,hostfwd=tcp:127.0.0.1:40001-:9000']);
  assert.match(words[3], /^virtio-net-pci,netdev=tidepool,mac=52:54:00:01:02:03/);
  assert.equal(domain.devices.interface, undefined);
});

function serviceWords(protocol: 'tcp' | 'udp'): string[] {
  const service = { name: 'service-8000', protocol, guestPort: 8000, device: 'service' as const };
  const { domain } = parser.parse(machineXml(planOf({ ports: [...spec.ports, service] })));
  const words: string[] = domain['qemu:commandline']['qemu:arg'].map((arg: Record<string, string>) => arg['@value']);
  assert.match(words[1] ?? '', /^user,id=tidepool,restrict=on,hostfwd=tcp:127\.0\.0\.1:40001-:9000$/);
  assert.match(words[3] ?? '', /mac=52:54:00:01:02:03,bus=pcie\.0,addr=2,/);
  return words.slice(4);
}

test('ports of the service device lead to a second device on a network of its own', () => {
  assert.deepEqual(serviceWords('tcp'), [
    '-netdev',
    'user,id=service,restrict=on,net=10.0.3.0/24,ipv6=off,hostfwd=tcp:127.0.0.1:40001-10.0.3.15:8000',
    '-device',
    'virtio-net-pci,netdev=service,mac=52:54:00:00:03:15,bus=pcie.0,addr=3,romfile=',
  ]);
});

test('for datagrams that device is a cable to the gateway', () => {
  assert.deepEqual(serviceWords('udp'), [
    '-netdev',
    'socket,id=service,udp=127.0.0.1:40002,localaddr=127.0.0.1:40003',
    '-device',
    'virtio-net-pci,netdev=service,mac=52:54:00:00:03:15,bus=pcie.0,addr=3,romfile=,host_mtu=65000',
  ]);
});

test('libvirt networks and bridges are interfaces of libvirt, with no words for QEMU', () => {
  for (const network of [
    { kind: 'network', name: 'default' },
    { kind: 'bridge', name: 'br0' },
  ] as const) {
    const { domain } = parser.parse(machineXml(planOf({ network })));
    assert.equal(domain['qemu:commandline'], undefined);
    assert.equal(domain.devices.interface['@type'], network.kind);
    assert.equal(domain.devices.interface.source[`@${network.kind}`], network.name);
  }
});

test('files that many machines read keep their owner, where libvirt changes owners at all', () => {
  assert.equal(machineXml(planOf()).match(/relabel="no"/g)?.length, 2);
  assert.ok(!machineXml(planOf({}, false)).includes('seclabel'));
});

test('kvm takes the host CPU', () => {
  const { domain } = parser.parse(machineXml(planOf({ accelerator: 'kvm' })));
  assert.equal(domain['@type'], 'kvm');
  assert.equal(domain.cpu['@mode'], 'host-passthrough');
});

test('a probe starts again when it crashes, so that only a real power-off ends it', () => {
  const probe = { ...spec.boot, accelerator: 'tcg' as const, timeoutMs: 1 };
  const { domain } = parser.parse(probeXml('probe', '00000000-0000-4000-8000-000000000001', probe));
  assert.equal(domain.on_crash, 'restart');
  assert.equal(domain.on_reboot, 'restart');
  assert.equal(domain.on_poweroff, 'destroy');
  assert.equal(domain.devices.disk, undefined);
});

test('a character that XML cannot hold is invalid', () => {
  const boot = { ...spec.boot, commandLine: 'a\0b' };
  assert.throws(
    () => machineXml(planOf({ boot })),
    (error) => hasCode(error, 'invalid'),
  );
});
