import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { hasCode } from '../../src/domain/errors.ts';
import { FakeClock } from '../../src/fake/clock.ts';
import { decode } from '../../src/libvirt/connection.ts';
import { libvirtCode } from '../../src/libvirt/errors.ts';
import { LibvirtLink } from '../../src/libvirt/link.ts';
import { MachineReader } from '../../src/libvirt/machine-reader.ts';
import { metadataXml } from '../../src/libvirt/metadata.ts';
import { type Packet, packetType } from '../../src/libvirt/packet.ts';
import { procedures as call } from '../../src/libvirt/procedures.ts';
import { type PeerConnection, ScriptedPeer } from '../support/scripted-peer.ts';

const mostCalls = 5;
const ours = 1_100;
const strangers = 1_100;
const installationId = 'many';

let peer: ScriptedPeer;
let link: LibvirtLink;
let reader: MachineReader;
/** Number of calls by the procedure's number. */
let asked: Map<number, number>;
const clock = new FakeClock();
/** What the daemon answers to the question for all machines. */
let answer: 'all' | 'none' | 'no domain';
let starts: number;

beforeEach(async () => {
  asked = new Map();
  answer = 'all';
  starts = 0;
  peer = await ScriptedPeer.start({ keepalive: true, mostCalls, onPacket });
  const nothing = (): void => undefined;
  link = await LibvirtLink.open({
    ...{ uri: peer.uri, clock, env: {}, log: nothing },
    ...{ onLifecycle: nothing, onLost: nothing, onReconnect: nothing },
  });
  reader = new MachineReader(link, clock, installationId);
});
afterEach(async () => {
  await link.close();
  await peer.stop();
});

function uuidOf(number: number): Buffer {
  const uuid = Buffer.alloc(16);
  uuid.writeUInt32BE(number);
  return uuid;
}

const domains = () =>
  Array.from({ length: ours + strangers }, (_, number) => ({
    name: `m${number}`,
    uuid: uuidOf(number),
    id: number + 1 + 10_000 * starts,
  }));

const record = {
  ...{ installationId, vcpus: 1, memoryMiB: 128, frames: null, network: 'bridge' },
  tags: { pool: 'p', role: 'worker' as const, imageId: 'i', keyId: 'k', createdAtMs: 0 },
  ports: [{ name: 'agent', protocol: 'tcp' as const, guestPort: 1, hostPort: null }],
};

/** A daemon with many domains, on a bridge; half of them are not ours. */
function onPacket(far: PeerConnection, packet: Packet): void {
  if (packet.type !== packetType.call) return;
  asked.set(packet.procedure, (asked.get(packet.procedure) ?? 0) + 1);
  const state = { field: 'state.state', value: { type: 'int' as const, value: 1 } };
  const reason = { field: 'state.reason', value: { type: 'int' as const, value: 1 } };
  if (packet.procedure === call.connectGetAllDomainStats.number) {
    const records = domains().map((domain) => ({ domain, params: [state, reason] }));
    if (answer === 'no domain') far.replyError(packet, libvirtCode.noDomain, 'Domain not found');
    else far.reply(packet, call.connectGetAllDomainStats, { records: answer === 'all' ? records : [] });
  } else if (packet.procedure === call.connectListAllDomains.number) {
    far.reply(packet, call.connectListAllDomains, { domains: domains(), count: ours + strangers });
  } else if (packet.procedure === call.domainGetMetadata.number) {
    const { domain } = decode(call.domainGetMetadata.args, packet.payload);
    const isOurs = Buffer.from(domain.uuid).readUInt32BE() < ours;
    if (isOurs) far.reply(packet, call.domainGetMetadata, { metadata: metadataXml(record).xml });
    else far.replyError(packet, libvirtCode.noMetadata, 'no metadata');
  } else if (packet.procedure === call.domainInterfaceAddresses.number) {
    const addresses = [{ type: 0, address: '10.0.0.1', prefix: 24 }];
    const interfaces = [{ name: 'eth0', hardwareAddress: null, addresses }];
    far.reply(packet, call.domainInterfaceAddresses, { interfaces });
  } else if (packet.procedure === call.connectClose.number) {
    far.reply(packet, call.connectClose, undefined);
  }
}

const count = (procedure: { readonly number: number }): number => asked.get(procedure.number) ?? 0;

test('more domains than calls may wait: the first list asks for each once, the next ones ask for none again', async () => {
  const machines = await reader.list();
  assert.equal(machines.length, ours);
  assert.equal(machines[ours - 1]?.endpoints[0]?.host, '10.0.0.1');
  assert.equal(count(call.domainGetMetadata), ours + strangers);
  assert.equal(count(call.domainInterfaceAddresses), ours);
  await reader.list();
  assert.equal(count(call.domainGetMetadata), ours + strangers);
  assert.equal(count(call.domainInterfaceAddresses), ours);
  for (const { mostUnanswered } of peer.connections) assert.ok(mostUnanswered < mostCalls, `${mostUnanswered}`);
  // A machine that was started anew may have another address.
  starts += 1;
  await reader.list();
  assert.equal(count(call.domainGetMetadata), ours + strangers);
  assert.equal(count(call.domainInterfaceAddresses), 2 * ours);
});

test('a hundred pools that list at a time cost two lists', async () => {
  await reader.list();
  const before = count(call.connectGetAllDomainStats);
  const lists = await Promise.all(Array.from({ length: 100 }, () => reader.list()));
  assert.ok(lists.every((list) => list.length === ours));
  assert.equal(count(call.connectGetAllDomainStats), before + 2);
});

test('“no such domain” as the answer to the question for all is an error, not an empty list', async () => {
  await reader.list();
  answer = 'no domain';
  await assert.rejects(reader.list(), (error) => hasCode(error, 'not_found'));
  await assert.rejects(reader.stats(), (error) => hasCode(error, 'not_found'));
});

test('an empty list where there were machines is not taken for the truth while libvirt knows domains', async () => {
  await reader.list();
  answer = 'none';
  await assert.rejects(reader.list(), (error) => hasCode(error, 'upstream') && /not to be trusted/.test(error.message));
  answer = 'all';
  assert.equal((await reader.list()).length, ours);
});
