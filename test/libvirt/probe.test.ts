import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { FakeClock } from '../../src/fake/clock.ts';
import { LibvirtLink } from '../../src/libvirt/link.ts';
import { Probes } from '../../src/libvirt/probe.ts';
import { procedures as call, lifecycleEventNumber } from '../../src/libvirt/procedures.ts';
import { lifecycleMessage } from '../../src/libvirt/types.ts';
import { encoded, type PeerConnection, ScriptedPeer } from '../support/scripted-peer.ts';

const clock = new FakeClock();
const spec = { accelerator: 'tcg', kernelPath: '/k', initrdPath: '/i', commandLine: '', timeoutMs: 1_000 } as const;
let peer: ScriptedPeer;
/** The connection that makes machines, and the one that tells of them. */
let far: PeerConnection;
let teller: PeerConnection;
let link: LibvirtLink;
let probes: Probes;

before(async () => {
  peer = await ScriptedPeer.start();
  link = await LibvirtLink.open({
    uri: peer.uri,
    clock,
    env: {},
    log: () => undefined,
    onLifecycle: (event) => void probes.take(event),
    onLost: () => undefined,
    onReconnect: () => undefined,
  });
  teller = await peer.connection(0);
  far = await peer.connection(1);
  probes = new Probes(link, clock);
});
after(async () => {
  const closing = link.close();
  for (const connection of peer.connections) {
    connection.reply(await connection.takeCall(call.connectClose), call.connectClose, undefined);
  }
  await closing;
  await peer.stop();
});

/** The daemon's part: it takes so long to start the machine. */
async function start(tookMs: number) {
  const taken = await far.takeCall(call.domainCreateXml);
  const [, text = ''] = /<uuid>(.*)<\/uuid>/.exec(taken.payload.toString()) ?? assert.fail('no UUID');
  const domain = { name: 'probe', uuid: Buffer.from(text.replaceAll('-', ''), 'hex'), id: 1 };
  await clock.advance(tookMs);
  const answer = (): void => far.reply(taken, call.domainCreateXml, { domain });
  const powerOff = (): void =>
    teller.event(lifecycleEventNumber, encoded(lifecycleMessage, { callbackId: 0, domain, event: 5, detail: 0 }));
  return { answer, powerOff };
}

test('a daemon that is slow to start a probe does not take away from its time', async () => {
  const running = probes.run(spec);
  const { answer, powerOff } = await start(20_000);
  answer();
  powerOff();
  assert.deepEqual(await running, { booted: true, elapsedMs: 20_000, reason: '' });
  assert.equal(clock.waiting, 0);
});

test('a probe that ends before its start is answered has ended', async () => {
  const running = probes.run(spec);
  const { answer, powerOff } = await start(0);
  powerOff();
  answer();
  assert.equal((await running).booted, true);
  assert.equal(clock.waiting, 0);
});
