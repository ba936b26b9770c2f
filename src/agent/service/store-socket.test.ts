import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createConnection, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { after, test } from 'node:test';
import { FakeClock } from '../../fake/clock.ts';
import type { StoreRequest } from '../../protocol/agent-service.ts';
import { LineReader } from '../../protocol/lines.ts';
import { systemClock } from '../clock.ts';
import { StoreRelay } from './store-relay.ts';
import { StoreSocket } from './store-socket.ts';

// A container is hostile until shown otherwise: here it writes what it likes.

const folder = await mkdtemp(join(tmpdir(), 'tidepool-store-'));
const path = join(folder, 'store.sock');
const relay = new StoreRelay(new FakeClock());
const socket = await StoreSocket.open(path, relay, systemClock);

/** The store answers each request with its key in base64, to the key `flood` nothing, and to `large` the largest value. */
const incoming = new PassThrough();
const outgoing = new PassThrough();
const serving = relay.serve(incoming, outgoing);
const lines = new LineReader(1_000_000);
let requests = 0;
outgoing.on('data', (chunk: Buffer) => {
  for (const line of lines.push(chunk).filter((text) => text !== '')) {
    const { id, key }: StoreRequest = JSON.parse(line);
    requests += 1;
    const value = key === 'large' ? 'A'.repeat(87_380) : btoa(key);
    if (key !== 'flood') incoming.write(`${JSON.stringify({ id, value, error: '' })}\n`);
  }
});

after(async () => {
  await socket.close();
  incoming.end();
  await serving;
  await rm(folder, { recursive: true });
});

async function open(): Promise<Socket> {
  const client = createConnection(path);
  client.on('error', () => undefined);
  await once(client, 'connect');
  return client;
}

async function answersTo(client: Socket, texts: readonly string[]): Promise<Record<string, unknown>[]> {
  const reader = new LineReader(1_000_000);
  const answers: Record<string, unknown>[] = [];
  client.write(texts.map((text) => `${text}\n`).join(''));
  for await (const [chunk] of { [Symbol.asyncIterator]: () => chunksOf(client) }) {
    answers.push(...reader.push(chunk).map((line) => JSON.parse(line)));
    if (answers.length >= texts.length) break;
  }
  return answers;
}

async function* chunksOf(client: Socket): AsyncGenerator<[Buffer]> {
  for (;;) {
    const chunk = await Promise.race([once(client, 'data'), once(client, 'close').then(() => undefined)]);
    if (chunk === undefined) return;
    yield [chunk[0]];
  }
}

async function assertWorks(): Promise<void> {
  const client = await open();
  assert.deepEqual(await answersTo(client, ['{"id":7,"op":"get","key":"k"}']), [{ id: 7, value: 'aw==', error: '' }]);
  client.destroy();
}

test('each connection gets its own answers, with its own ids', async () => {
  const clients = await Promise.all([open(), open()]);
  const answers = await Promise.all(
    clients.map((client, index) =>
      answersTo(client, [`{"id":1,"op":"get","key":"a${index}"}`, `{"id":1,"op":"get","key":"b${index}"}`]),
    ),
  );
  for (const [index, own] of answers.entries()) {
    assert.deepEqual(own.map(({ value }) => atob(String(value))).sort(), [`a${index}`, `b${index}`]);
    assert.ok(own.every(({ id }) => id === 1));
  }
  for (const client of clients) client.destroy();
});

test('requests that cannot be carried out are refused, and the connection goes on', async () => {
  const client = await open();
  const before = requests;
  const wrong = [
    { op: 'get', key: '' },
    { op: 'get', key: 'x'.repeat(513) },
    { op: 'get' },
    { op: 'drop', key: 'k' },
    { op: 'put', key: 'k' },
    { op: 'put', key: 'k', value: 'no base64!' },
    { op: 'put', key: 'k', value: 'A'.repeat(90_000) },
  ];
  const answers = await answersTo(
    client,
    wrong.map((each, id) => JSON.stringify({ id, ...each })),
  );
  assert.equal(answers.length, wrong.length);
  for (const answer of answers) {
    assert.equal(answer.value, null);
    assert.notEqual(answer.error, '');
  }
  assert.equal(requests, before, 'none was passed on');
  assert.equal((await answersTo(client, ['{"id":8,"op":"get","key":"k"}']))[0]?.id, 8);
  client.destroy();
});

test('garbage ends its own connection only', async () => {
  for (const garbage of ['nonsense\n', '{"op":"get","key":"k"}\n', '[1]\n', 'null\n', 'x'.repeat(200_000)]) {
    const other = await open();
    const client = await open();
    client.resume();
    client.write(garbage);
    await new Promise((resolve) => client.once('close', resolve));
    assert.equal((await answersTo(other, ['{"id":1,"op":"get","key":"k"}'])).length, 1, garbage.slice(0, 30));
    other.destroy();
  }
});

test('who sends without end and never reads is read no further', async () => {
  const client = await open();
  client.pause();
  const before = requests;
  const lines = '{"id":1,"op":"get","key":"flood"}\n'.repeat(1_000);
  for (let count = 0; count < 100; count += 1) client.write(lines);
  // Others are served meanwhile, which takes long enough for the flood to come through if nothing held it.
  for (let count = 0; count < 50; count += 1) await assertWorks();
  const passedOn = requests - before - 50;
  assert.ok(passedOn > 0 && passedOn < 4_096, `${passedOn} of 100,000 were passed on`);
  client.destroy();
});

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('of a thousand requests in one chunk so many are taken at a time', async () => {
  const clock = new FakeClock();
  const place = join(folder, 'slow.sock');
  const slow = await StoreSocket.open(place, new StoreRelay(clock), clock);
  const client = createConnection(place);
  let answers = 0;
  client.setEncoding('utf8').on('data', (text: string) => {
    answers += text.split('\n').length - 1;
  });
  // Those are refused by the socket itself, at once.
  client.write('{"id":1,"op":"drop","key":"k"}\n'.repeat(1_000));
  for (const expected of [256, 512, 768, 1_000]) {
    while (answers < expected) await turn();
    for (let turns = 0; turns < 10; turns += 1) await turn();
    assert.equal(answers, expected);
    await clock.advance(3);
  }
  client.destroy();
  await slow.close();
});

test('of those who ask for much and read nothing some are cut off', async () => {
  const clients = await Promise.all(Array.from({ length: 5 }, open));
  for (const client of clients) client.pause().write('{"id":1,"op":"get","key":"large"}\n'.repeat(1_000));
  // Answered after many of these, so the store has answered them too.
  for (let count = 0; count < 50; count += 1) await assertWorks();
  const cutOff = clients.map((client) => {
    let received = 0;
    client.on('data', (chunk: Buffer) => {
      received += chunk.length;
    });
    return new Promise<number>((resolve) => client.resume().once('close', () => resolve(received)));
  });
  const received = await Promise.race(cutOff);
  assert.ok(received < 17 * 1024 * 1024, `${received} of 87,000,000 bytes were kept for it`);
  for (const client of clients) client.destroy();
});

test('after all that it still works', async () => {
  const fresh = new StoreRelay(new FakeClock());
  const other = join(folder, 'other.sock');
  const second = await StoreSocket.open(other, fresh, systemClock);
  await second.close();
  await assertWorks();
});
