import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { XMLParser } from 'fast-xml-parser';
import { systemClock } from '../../src/clock/system-clock.ts';
import type { Hypervisor, MachineSpec } from '../../src/domain/hypervisor.ts';
import type { Connection } from '../../src/libvirt/connection.ts';
import { connectLibvirtHypervisor } from '../../src/libvirt/hypervisor.ts';
import { openConnection } from '../../src/libvirt/open-connection.ts';
import { Parameters } from '../../src/libvirt/parameters.ts';
import { procedures as call } from '../../src/libvirt/procedures.ts';
import type { DomainRef } from '../../src/libvirt/types.ts';
import { uuidText } from '../../src/libvirt/uuid.ts';
import { machineFolder, qemuPid, quietLog, testUri, tinySpec, virsh } from '../support/libvirt-harness.ts';
import { until } from '../support/poll.ts';

/** What our client reads, beside what virsh reads, on a real daemon with a real machine. */
const name = `oracle-${process.pid}`;
let connection: Connection;
let hypervisor: Hypervisor;
let machineDir: string;
let spec: MachineSpec;
let domain: DomainRef;

before(async () => {
  machineDir = await machineFolder();
  const options = { uri: testUri, clock: systemClock, env: process.env };
  hypervisor = await connectLibvirtHypervisor({ ...options, machineDir, installationId: randomUUID(), log: quietLog });
  spec = { ...(await tinySpec()), name };
  await hypervisor.create(spec);
  connection = await openConnection(options, () => undefined, true);
  domain = (await connection.call(call.domainLookupByName, { name })).domain;
});
after(async () => {
  connection.close();
  await hypervisor.remove(name);
  await hypervisor.close();
  await rm(machineDir, { recursive: true });
});

/** `key: value` or `key=value` lines as virsh prints them. */
function fields(text: string): Map<string, string> {
  return new Map(
    text.split('\n').map((line) => line.split(/[:=](.*)/s).map((part) => part.trim()) as [string, string]),
  );
}

test('the daemon itself: host name, URI, versions, capabilities, node', async () => {
  assert.equal((await connection.call(call.connectGetHostname, undefined)).hostname, await virsh('hostname'));
  assert.equal((await connection.call(call.connectGetUri, undefined)).uri, await virsh('uri'));
  assert.equal((await connection.call(call.connectGetCapabilities, undefined)).xml.trim(), await virsh('capabilities'));
  const versions = await virsh('version', '--daemon');
  const dotted = (version: bigint) => `${version / 1_000_000n}.${(version / 1000n) % 1000n}.${version % 1000n}`;
  const { version: hypervisorVersion } = await connection.call(call.connectGetVersion, undefined);
  const { version: daemonVersion } = await connection.call(call.connectGetLibVersion, undefined);
  assert.match(versions, new RegExp(`Running hypervisor: QEMU ${dotted(hypervisorVersion)}`));
  assert.match(versions, new RegExp(`Running against daemon: ${dotted(daemonVersion)}`));
  const node = await connection.call(call.nodeGetInfo, undefined);
  const theirs = fields(await virsh('nodeinfo'));
  assert.equal(String.fromCharCode(...node.model).replaceAll('\0', ''), theirs.get('CPU model'));
  assert.equal(String(node.cpus), theirs.get('CPU(s)'));
  assert.equal(`${node.memoryKiB} KiB`, theirs.get('Memory size'));
  assert.equal(String(node.cores), theirs.get('Core(s) per socket'));
  assert.equal(String(node.threads), theirs.get('Thread(s) per core'));
});

test('what is told of the host is what virsh tells', async () => {
  const { name: hostName, cpus, memoryBytes, hypervisor: qemu, libvirt } = await hypervisor.hostInfo();
  const node = fields(await virsh('nodeinfo'));
  assert.equal(hostName, await virsh('hostname'));
  assert.deepEqual([String(cpus), `${memoryBytes / 1024} KiB`], [node.get('CPU(s)'), node.get('Memory size')]);
  const versions = await virsh('version', '--daemon');
  assert.match(versions, new RegExp(`Running hypervisor: ${qemu}\\b`));
  assert.match(versions, new RegExp(`Running against daemon: ${libvirt}\\b`));
});

test('the list of domains, by name, UUID and id', async () => {
  const { domains, count } = await connection.call(call.connectListAllDomains, { needResults: 1, flags: 0 });
  assert.equal(count, domains.length);
  const names = (await virsh('list', '--all', '--name')).split('\n').filter(Boolean);
  // Other tests may run machines on this daemon at the same time.
  assert.ok(names.includes(name) && domains.some((found) => found.name === name));
  assert.equal(uuidText(domain.uuid), await virsh('domuuid', name));
  assert.equal(String(domain.id), await virsh('domid', name));
});

test('the state and its reason', async () => {
  const words = ['no state', 'running', 'idle', 'paused', 'in shutdown', 'shut off', 'crashed', 'pmsuspended'];
  const check = async (): Promise<void> => {
    const { state } = await connection.call(call.domainGetState, { domain, flags: 0 });
    assert.equal(words[state], await virsh('domstate', name));
  };
  await check();
  await hypervisor.suspend(name);
  await check();
  await hypervisor.resume(name);
  await check();
});

test('the XML and the metadata', async () => {
  const { xml } = await connection.call(call.domainGetXml, { domain, flags: 0 });
  assert.equal(xml.trim(), await virsh('dumpxml', name));
  const uri = 'https://tidepool.dev/xmlns/1';
  const { metadata } = await connection.call(call.domainGetMetadata, { domain, type: 2, uri, flags: 0 });
  assert.equal(metadata.trim(), await virsh('metadata', name, uri));
  const dominfo = fields(await virsh('dominfo', name));
  assert.equal(dominfo.get('CPU(s)'), String(spec.flavor.vcpus));
  assert.equal(dominfo.get('Max memory'), `${spec.flavor.memoryMiB * 1024} KiB`);
});

test('metadata can be set, and virsh reads it', async () => {
  const uri = 'https://tidepool.dev/xmlns/test';
  const set = (metadata: string | null) =>
    connection.call(call.domainSetMetadata, { domain, type: 2, metadata, key: 'x', uri, flags: 0 });
  await set('<note text="a &amp; b"/>');
  assert.match(await virsh('metadata', name, uri), /text="a &amp; b"/);
  await set(null);
  await assert.rejects(virsh('metadata', name, uri));
});

test('statistics of the machine', async () => {
  await hypervisor.suspend(name); // So that nothing moves between the two readings.
  const { records } = await connection.call(call.connectGetAllDomainStats, { domains: [domain], stats: 0, flags: 0 });
  const [record] = records;
  assert.ok(record);
  const theirs = fields(await virsh('domstats', name));
  const ours = new Parameters(record.params);
  const same = [
    'state.state',
    'state.reason',
    'vcpu.maximum',
    'balloon.maximum',
    'block.count',
    'block.0.rd.bytes',
    'block.0.wr.bytes',
    'block.0.rd.reqs',
  ];
  for (const field of same) assert.equal(String(ours.bigint(field)), theirs.get(field), field);
  // The process itself may still use a little.
  const cpuTime = BigInt(theirs.get('cpu.time') ?? 0);
  assert.ok(ours.bigint('cpu.time') > 0n && cpuTime >= ours.bigint('cpu.time'));
  // While another machine of the daemon holds libvirt up, an answer has what libvirt knows by itself, and no delay.
  const stats = await until(
    async () => (await hypervisor.stats()).find((machine) => machine.name === name),
    (found) => found !== undefined && found.cpuDelayNs !== null,
    60_000,
  );
  assert.ok(stats);
  assert.ok(stats.cpuTimeNs !== null && stats.cpuTimeNs >= cpuTime && stats.cpuTimeNs < cpuTime + 1_000_000_000n);
  const delay = BigInt(theirs.get('vcpu.0.delay') ?? 0);
  assert.ok(stats.cpuDelayNs !== null && stats.cpuDelayNs >= delay && stats.cpuDelayNs < delay + 1_000_000_000n);
  assert.ok(stats.memoryRssBytes > 10_000_000);
  assert.equal(stats.diskReadBytes, Number(theirs.get('block.0.rd.bytes')));
  await hypervisor.resume(name);
});

test('events arrive as virsh sees them', async (t) => {
  const watcher = spawn('virsh', ['-q', '-c', testUri, 'event', '--loop', '--event', 'lifecycle', '--domain', name]);
  t.after(() => watcher.kill());
  const lines = linesOf(watcher);
  const ours: string[] = [];
  const stop = hypervisor.onEvent((event) => {
    if (event.name === name) ours.push(`${event.kind} ${event.detail}`);
  });
  const theirs = () => lines.map((line) => line.replace(/^.*: /, '').toLowerCase());
  const agree = () => lines.length >= 4 && ours.slice(-lines.length).join() === theirs().join();
  // virsh does not say when it is ready, so it is given things to see until it has seen some, and what we saw last.
  for (const limit = AbortSignal.timeout(120_000); !agree(); ) {
    assert.ok(!limit.aborted, `we saw ${ours}, virsh saw ${theirs()}`);
    if (lines.length < 4) {
      await hypervisor.suspend(name);
      await hypervisor.resume(name);
    }
    await systemClock.sleep(50);
  }
  stop();
  watcher.kill();
  await once(watcher, 'exit');
});

function linesOf(child: ChildProcess): string[] {
  const lines: string[] = [];
  createInterface({ input: child.stdout ?? assert.fail('no output') }).on('line', (line) => line && lines.push(line));
  return lines;
}

test('secrets: in files of 0600 that QEMU was given, and nowhere on its command line', async () => {
  const file = join(machineDir, `${name}.secrets`, 'agent-key');
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  assert.deepEqual(await readFile(file), Buffer.alloc(32, 7));
  const words = (await readFile(`/proc/${await qemuPid(name)}/cmdline`, 'latin1')).split('\0');
  assert.ok(words.some((word) => word.includes('opt/tidepool/agent-key') && word.includes(file)));
  assert.ok(!words.join(' ').includes('\x07'));
});

test('the guest has a disk of the flavor’s size on the image, and the image is not changed', async () => {
  const { xml } = await connection.call(call.domainGetXml, { domain, flags: 0 });
  const { disk } = new XMLParser({ ignoreAttributes: false }).parse(xml).domain.devices;
  assert.equal(disk.backingStore.source['@_file'], spec.imagePath);
  assert.equal(fields(await virsh('domblkinfo', name, 'vda')).get('Capacity'), String(1024 ** 3));
  const image = await stat(spec.imagePath);
  assert.equal(image.uid, process.getuid?.());
});

test('a machine that was saved by libvirt is off, and removed with its saved memory', async () => {
  const saved = `${name}-saved`;
  await hypervisor.create({ ...spec, name: saved });
  const { domain: other } = await connection.call(call.domainLookupByName, { name: saved });
  await connection.call(call.domainManagedSave, { domain: other, flags: 0 });
  assert.equal((await hypervisor.get(saved))?.state, 'off');
  assert.match(await virsh('dominfo', saved), /Managed save:\s+yes/);
  await hypervisor.remove(saved);
  assert.ok(!(await virsh('list', '--all', '--name')).includes(saved));
  assert.deepEqual(
    (await readdir(machineDir)).filter((file) => file.startsWith(saved)),
    [],
  );
});

test('errors of libvirt itself have its number and words', async () => {
  await assert.rejects(connection.call(call.domainLookupByName, { name: 'no such' }), {
    code: 'not_found',
    details: {
      libvirtCode: 42,
      libvirtDomain: 10,
      libvirtMessage: "Domain not found: no domain with matching name 'no such'",
      procedure: 'DomainLookupByName',
    },
  });
  await assert.rejects(connection.call(call.domainDefineXml, { xml: '<domain', flags: 0 }), { code: 'invalid' });
  await assert.rejects(connection.call(call.storagePoolLookupByName, { name: 'no such' }), { code: 'not_found' });
  await assert.rejects(connection.call(call.networkLookupByName, { name: 'no such' }), { code: 'not_found' });
  await assert.rejects(connection.call(call.domainResume, { domain }), { code: 'conflict' });
});
