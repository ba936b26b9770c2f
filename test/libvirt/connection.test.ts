import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { afterEach, beforeEach, test } from 'node:test';
import { systemClock } from '../../src/clock/system-clock.ts';
import { type ErrorCode, hasCode } from '../../src/domain/errors.ts';
import { FakeClock } from '../../src/fake/clock.ts';
import type { Connection } from '../../src/libvirt/connection.ts';
import { keepaliveProgram } from '../../src/libvirt/keepalive.ts';
import { openConnection } from '../../src/libvirt/open-connection.ts';
import { encodePacket, packetStatus, packetType } from '../../src/libvirt/packet.ts';
import { procedures as call } from '../../src/libvirt/procedures.ts';
import { libvirtError, type PeerConnection, ScriptedPeer } from '../support/scripted-peer.ts';

let peer: ScriptedPeer;
let clock: FakeClock;
let heard: number[];

beforeEach(async () => {
  peer = await ScriptedPeer.start();
  clock = new FakeClock();
  heard = [];
});
afterEach(() => peer.stop());

async function connect(watched = false): Promise<{ connection: Connection; far: PeerConnection }> {
  const onMessage = (procedure: number): void => void heard.push(procedure);
  const connection = await openConnection({ uri: peer.uri, clock, env: {} }, onMessage, watched);
  return { connection, far: await peer.connection(0) };
}

function rejects(promise: Promise<unknown>, code: ErrorCode, message?: RegExp): Promise<void> {
  return assert.rejects(promise, (error) => {
    assert.ok(hasCode(error, code), String(error));
    if (message !== undefined) assert.match(error.message, message);
    return true;
  });
}

const dom = { name: 'd', uuid: new Uint8Array(16), id: -1 };

test('replies in any order reach their callers', async () => {
  const { connection, far } = await connect();
  const hostname = connection.call(call.connectGetHostname, undefined);
  const version = connection.call(call.connectGetLibVersion, undefined);
  const first = await far.takeCall(call.connectGetHostname);
  far.reply(await far.takeCall(call.connectGetLibVersion), call.connectGetLibVersion, { version: 9n });
  assert.deepEqual(await version, { version: 9n });
  far.reply(first, call.connectGetHostname, { hostname: 'h' });
  assert.deepEqual(await hostname, { hostname: 'h' });
});

test('a cut connection wakes every caller with unavailable, and every later one', async () => {
  const { connection, far } = await connect();
  const calls = [1, 2, 3].map(() => connection.call(call.connectGetHostname, undefined));
  const taken = await far.takeCall(call.connectGetHostname);
  const reply = encodePacket({ ...taken, type: packetType.reply, payload: Buffer.from('\0\0\0\x01h\0\0\0') });
  // Cut in the middle of a reply.
  far.socket.write(reply.subarray(0, reply.length - 3));
  far.socket.end();
  for (const waiting of calls) await rejects(waiting, 'unavailable');
  await rejects(connection.call(call.connectGetHostname, undefined), 'unavailable');
  assert.ok(hasCode(await connection.ended, 'unavailable'));
  assert.equal(clock.waiting, 0, 'a timer is left behind');
});

test('an error of libvirt is an error of ours, with its number', async () => {
  const { connection, far } = await connect();
  const cases: [number, ErrorCode][] = [
    [42, 'not_found'],
    [28, 'conflict'],
    [55, 'conflict'],
    [27, 'invalid'],
    [88, 'forbidden'],
    [1, 'upstream'],
    [999, 'upstream'],
  ];
  for (const [number, code] of cases) {
    const result = connection.call(call.domainLookupByName, { name: 'x' });
    result.catch(() => undefined);
    far.replyError(await far.takeCall(call.domainLookupByName), number, 'what libvirt says');
    await assert.rejects(result, (error) => {
      assert.ok(hasCode(error, code), `${number}: ${String(error)}`);
      assert.equal(error.details.libvirtCode, number);
      assert.match(error.message, /what libvirt says/);
      return true;
    });
  }
  assert.equal(connection.isOpen, true);
});

test('each call has its deadline; a reply that comes later harms nobody', async () => {
  const { connection, far } = await connect();
  const late = connection.call(call.connectGetHostname, undefined);
  const lateEnds = rejects(late, 'timeout', /ConnectGetHostname/);
  const taken = await far.takeCall(call.connectGetHostname);
  await clock.advance(call.connectGetHostname.deadlineMs);
  await lateEnds;
  far.reply(taken, call.connectGetHostname, { hostname: 'late' });
  const next = connection.call(call.connectGetHostname, undefined);
  far.reply(await far.takeCall(call.connectGetHostname), call.connectGetHostname, { hostname: 'next' });
  assert.deepEqual(await next, { hostname: 'next' });
  assert.equal(clock.waiting, 0);
});

test('what is not of the protocol ends the connection', async () => {
  const garbage: [string, Buffer][] = [
    ['a length too small', Buffer.from('00000008', 'hex')],
    ['a length too large', Buffer.from('7fffffff', 'hex')],
    [
      'another program',
      encodePacket({ program: 1, version: 1, procedure: 1, type: 1, serial: 1, status: 0, payload: new Uint8Array() }),
    ],
    [
      'a type that is none',
      encodePacket({
        program: 0x20008086,
        version: 1,
        procedure: 1,
        type: 9,
        serial: 1,
        status: 0,
        payload: new Uint8Array(),
      }),
    ],
    ['text', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
  ];
  for (const [index, [what, bytes]] of garbage.entries()) {
    const connection = await openConnection({ uri: peer.uri, clock, env: {} }, () => undefined, false);
    const far = await peer.connection(index);
    const waiting = connection.call(call.connectGetHostname, undefined);
    waiting.catch(() => undefined);
    await far.takeCall(call.connectGetHostname);
    far.socket.write(bytes);
    await rejects(waiting, 'unavailable', /not of its protocol/);
    assert.equal(connection.isOpen, false, what);
  }
});

test('a reply whose payload is malformed fails its caller only', async () => {
  const { connection, far } = await connect();
  for (const payload of ['', '00000010', '000000016100000000']) {
    const result = connection.call(call.connectGetHostname, undefined);
    result.catch(() => undefined);
    const taken = await far.takeCall(call.connectGetHostname);
    far.send({ ...taken, type: packetType.reply, payload: Buffer.from(payload, 'hex') });
    await rejects(result, 'upstream');
  }
  assert.equal(connection.isOpen, true);
});

test('values that do not fit fail their caller and are not sent', async () => {
  const { connection, far } = await connect();
  await assert.rejects(connection.call(call.connectSupportsFeature, { feature: 2 ** 40 }));
  assert.equal(clock.waiting, 0);
  const next = connection.call(call.connectGetHostname, undefined);
  far.reply(await far.takeCall(call.connectGetHostname), call.connectGetHostname, { hostname: 'next' });
  await next;
  assert.deepEqual(
    far.received.map(({ procedure }) => procedure),
    [],
  );
  assert.equal(connection.isOpen, true);
});

test('pings are answered, watched or not', async () => {
  const { far } = await connect();
  const message = { program: keepaliveProgram, version: 1, type: packetType.message, serial: 0, status: 0 };
  far.send({ ...message, procedure: 1, payload: new Uint8Array() });
  const pong = await far.take((packet) => packet.program === keepaliveProgram);
  assert.equal(pong.procedure, 2);
});

test('a watched peer that falls silent is given up after 30 s; one that answers pings is not', async () => {
  await peer.stop();
  peer = await ScriptedPeer.start({ keepalive: true });
  const { connection, far } = await connect(true);
  const waiting = connection.call(call.domainManagedSave, { domain: dom, flags: 0 });
  waiting.catch(() => undefined);
  const isPing = (packet: { program: number; procedure: number }) =>
    packet.program === keepaliveProgram && packet.procedure === 1;
  for (let i = 0; i < 10; i += 1) {
    await clock.advance(5_000);
    const ping = await far.take(isPing);
    far.send({ ...ping, procedure: 2 });
    // The pong has arrived when an answer that was sent after it has.
    const echo = connection.call(call.connectGetHostname, undefined);
    far.reply(await far.takeCall(call.connectGetHostname), call.connectGetHostname, { hostname: '' });
    await echo;
  }
  assert.equal(connection.isOpen, true);
  await clock.advance(29_999);
  assert.equal(connection.isOpen, true);
  await clock.advance(1);
  assert.equal(connection.isOpen, false);
  await rejects(waiting, 'unavailable', /silent/);
});

test('events are handed on', async () => {
  const { connection, far } = await connect();
  far.event(318, new Uint8Array(4));
  far.event(999, new Uint8Array());
  const after = connection.call(call.connectGetHostname, undefined);
  far.reply(await far.takeCall(call.connectGetHostname), call.connectGetHostname, { hostname: '' });
  await after;
  assert.deepEqual(heard, [318, 999]);
});

test('a daemon that wants SASL, and one that does not answer the hand-shake', async () => {
  await peer.stop();
  peer = await ScriptedPeer.start({ answers: false });
  const opening = openConnection({ uri: peer.uri, clock, env: {} }, () => undefined, false);
  opening.catch(() => undefined);
  const far = await peer.connection(0);
  far.reply(await far.takeCall(call.authList), call.authList, { types: [1] });
  await rejects(opening, 'unauthenticated', /SASL/);

  const silent = openConnection({ uri: peer.uri, clock, env: {} }, () => undefined, false);
  silent.catch(() => undefined);
  const second = await peer.connection(1);
  const closed = once(second.socket, 'close');
  await second.takeCall(call.authList);
  await clock.advance(call.authList.deadlineMs);
  await rejects(silent, 'timeout');
  second.socket.resume();
  await closed;
});

test('polkit is asked when the daemon wants it', async () => {
  await peer.stop();
  peer = await ScriptedPeer.start({ answers: false });
  for (const [index, complete] of [1, 0].entries()) {
    const opening = openConnection({ uri: peer.uri, clock, env: {} }, () => undefined, false);
    opening.catch(() => undefined);
    const far = await peer.connection(index);
    far.reply(await far.takeCall(call.authList), call.authList, { types: [2] });
    far.reply(await far.takeCall(call.authPolkit), call.authPolkit, { complete });
    if (complete === 0) await rejects(opening, 'unauthenticated', /polkit/);
    else {
      far.reply(await far.takeCall(call.connectOpen), call.connectOpen, undefined);
      (await opening).close();
    }
  }
});

test('no daemon at all is unavailable', async () => {
  const gone = { uri: 'test+unix:///default?socket=/nonexistent/sock', clock: systemClock, env: {} };
  await rejects(
    openConnection(gone, () => undefined, false),
    'unavailable',
  );
});

async function openStream(): Promise<{
  stream: Duplex;
  far: PeerConnection;
  taken: Awaited<ReturnType<PeerConnection['takeCall']>>;
  connection: Connection;
}> {
  const { connection, far } = await connect();
  const opening = connection.openStream(call.domainOpenConsole, { domain: dom, device: null, flags: 0 });
  const taken = await far.takeCall(call.domainOpenConsole);
  // Data may follow the reply at once.
  far.reply(taken, call.domainOpenConsole, undefined);
  far.stream(taken, packetStatus.more, Buffer.from('first '));
  return { stream: await opening, far, taken, connection };
}

test('a stream goes both ways, and each side can end it', async () => {
  const { stream, far, taken } = await openStream();
  let text = '';
  stream.on('data', (chunk) => {
    text += chunk;
  });
  stream.write(Buffer.alloc(200_000, 'x'));
  let received = 0;
  while (received < 200_000) received += (await far.take((packet) => packet.type === packetType.stream)).payload.length;
  far.stream(taken, packetStatus.more, Buffer.from('last'));
  // libvirt ends with an empty packet, and confirms our end by another.
  far.stream(taken, packetStatus.more);
  await once(stream, 'end');
  assert.equal(text, 'first last');
  const finish = await far.take((packet) => packet.type === packetType.stream);
  assert.equal(finish.status, packetStatus.ok);
  far.stream(taken, packetStatus.ok);
  if (!stream.closed) await once(stream, 'close');
});

test('a stream that fails on the far side carries libvirt’s error', async () => {
  const { stream, far, taken } = await openStream();
  stream.resume();
  const failed = once(stream, 'error');
  far.stream(taken, packetStatus.error, libvirtError(1, 'the console is gone'));
  const [error] = await failed;
  assert.ok(hasCode(error, 'upstream'));
  assert.match(error.message, /console is gone/);
});

test('a stream closed early tells the far side, and what still arrives is dropped', async () => {
  const { stream, far, taken, connection } = await openStream();
  stream.destroy();
  const abort = await far.take((packet) => packet.type === packetType.stream);
  assert.equal(abort.status, packetStatus.error);
  far.stream(taken, packetStatus.more, Buffer.from('too late'));
  far.stream(taken, packetStatus.ok);
  const after = connection.call(call.connectGetHostname, undefined);
  far.reply(await far.takeCall(call.connectGetHostname), call.connectGetHostname, { hostname: '' });
  await after;
});

test('a reader that does not read holds the sender up instead of filling memory', async () => {
  const { stream, far, taken } = await openStream();
  const chunk = Buffer.alloc(64 * 1024, 'y');
  let sent = 0;
  // The far side sends until its socket takes no more.
  while (far.socket.writableLength < 4 * chunk.length && sent < 1000) {
    far.stream(taken, packetStatus.more, chunk);
    sent += 1;
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(sent < 200, `${sent} chunks were taken in by a reader that reads nothing`);
  assert.ok(stream.readableLength < 1024 * 1024);
  let read = 0;
  const wanted = 'first '.length + sent * chunk.length;
  for await (const part of stream) {
    read += part.length;
    if (read === wanted) break;
  }
  assert.equal(read, wanted);
});

test('a lost connection ends its streams, half-read ones too', async () => {
  const { stream, far } = await openStream();
  const failed = once(stream, 'error');
  far.socket.destroy();
  const [error] = await failed;
  assert.ok(hasCode(error, 'unavailable'));
});

test('a stream that libvirt refuses is an error of the call', async () => {
  const { connection, far } = await connect();
  const opening = connection.openStream(call.domainOpenConsole, { domain: dom, device: null, flags: 0 });
  opening.catch(() => undefined);
  far.replyError(await far.takeCall(call.domainOpenConsole), 55, 'not running');
  await rejects(opening, 'conflict');
});
