import assert from 'node:assert/strict';
import { PassThrough, Writable } from 'node:stream';
import { test } from 'node:test';
import { FakeClock } from '../../fake/clock.ts';
import { StoreRelay } from './store-relay.ts';

/** The control plane's end of one connection. */
function connect(relay: StoreRelay) {
  const incoming = new PassThrough();
  const outgoing = new PassThrough();
  const seen: { id: number; key: string }[] = [];
  let text = '';
  outgoing.on('data', (chunk: Buffer) => {
    text += chunk.toString();
    const lines = text.split('\n');
    text = lines.pop() ?? '';
    seen.push(...lines.filter((line) => line !== '').map((line) => JSON.parse(line)));
  });
  const served = relay.serve(incoming, outgoing);
  served.catch(() => undefined);
  const answer = (id: number, value: string | null): boolean =>
    incoming.write(`${JSON.stringify({ id, value, error: '' })}\n`);
  return { incoming, outgoing, seen, served, answer };
}

const keys = (seen: readonly { key: string }[]): string[] => seen.map(({ key }) => key);
const get = (key: string) => ({ op: 'get' as const, key });

test('requests go out with ids of their own, and answers find their way back in any order', async () => {
  const clock = new FakeClock();
  const relay = new StoreRelay(clock);
  const { seen, answer } = connect(relay);
  const asked = [relay.ask(get('a')), relay.ask(get('b'))];
  await clock.advance(0);
  assert.deepEqual(keys(seen), ['a', 'b']);
  const [first, second] = seen;
  assert.ok(first !== undefined && second !== undefined && first.id !== second.id);
  answer(second.id, 'Yg==');
  answer(first.id, null);
  assert.deepEqual(await Promise.all(asked), [
    { value: null, error: '' },
    { value: 'Yg==', error: '' },
  ]);
});

test('while nobody listens requests wait, and fail after their time', async () => {
  const clock = new FakeClock();
  const relay = new StoreRelay(clock);
  const late = relay.ask(get('late'));
  await clock.advance(6_000);
  const early = relay.ask(get('early'));
  await clock.advance(4_000);
  assert.match((await late).error, /within 10 s/);
  const { seen, answer } = connect(relay);
  await clock.advance(0);
  assert.deepEqual(keys(seen), ['early']);
  answer(seen[0]?.id ?? 0, 'eA==');
  assert.equal((await early).value, 'eA==');
});

test('what was sent and not answered is sent again on the next connection, in its order', async () => {
  const clock = new FakeClock();
  const relay = new StoreRelay(clock);
  const first = connect(relay);
  const asked = ['a', 'b', 'c'].map((key) => relay.ask(get(key)));
  await clock.advance(0);
  first.answer(first.seen[1]?.id ?? 0, null);
  await clock.advance(0);
  first.incoming.destroy(new Error('lost'));
  await assert.rejects(first.served);
  const second = connect(relay);
  await clock.advance(0);
  assert.deepEqual(keys(second.seen), ['a', 'c']);
  for (const { id } of second.seen) second.answer(id, null);
  assert.equal((await Promise.all(asked)).length, 3);
});

test('a second connection takes the place of the first, which ends', async () => {
  const clock = new FakeClock();
  const relay = new StoreRelay(clock);
  const first = connect(relay);
  const second = connect(relay);
  await clock.advance(0);
  assert.equal(first.outgoing.readableEnded, true);
  first.incoming.end();
  await first.served;
  void relay.ask(get('a'));
  await clock.advance(0);
  assert.deepEqual([keys(first.seen), keys(second.seen)], [[], ['a']]);
});

test('a silent peer is given up, one that answers pings is not', async () => {
  const clock = new FakeClock();
  const relay = new StoreRelay(clock);
  const silent = connect(relay);
  await clock.advance(30_000);
  assert.equal(silent.outgoing.destroyed, true);
  const lively = connect(relay);
  let pings = 0;
  lively.outgoing.on('data', () => {
    pings += 1;
    lively.incoming.write('\n');
  });
  await clock.advance(120_000);
  assert.equal(lively.outgoing.destroyed, false);
  assert.equal(pings, 12);
});

test('lines that are no answers end the connection; answers to nothing are passed over', async () => {
  const clock = new FakeClock();
  for (const line of ['nonsense', '[]', '{"id":"1","value":null,"error":""}', '{"id":1}', 'x'.repeat(200_000)]) {
    const { incoming, served } = connect(new StoreRelay(clock));
    incoming.write(`${line}\n`);
    await assert.rejects(served, line.slice(0, 50));
  }
  const relay = new StoreRelay(clock);
  const { answer, incoming, served } = connect(relay);
  answer(999, 'eA==');
  incoming.end();
  await served;
});

test('no more than so many wait, and no more than so many bytes', async () => {
  const clock = new FakeClock();
  const many = new StoreRelay(clock);
  for (let count = 0; count < 4_096; count += 1) void many.ask(get('k'));
  assert.match((await many.ask(get('k'))).error, /too many/);
  const large = new StoreRelay(clock);
  const value = 'A'.repeat(80_000);
  let refused = 0;
  for (let count = 0; count < 300; count += 1) {
    void large.ask({ op: 'put', key: 'k', value }).then(({ error }) => {
      if (/too many/.test(error)) refused += 1;
    });
  }
  await clock.advance(0);
  assert.ok(refused > 80 && refused < 110, `${refused}`);
  await clock.advance(10_000);
  const fine = large.ask({ op: 'put', key: 'k', value });
  await clock.advance(9_000);
  const { seen, answer } = connect(large);
  await clock.advance(0);
  answer(seen[0]?.id ?? 0, null);
  assert.equal((await fine).error, '');
});

test('much that waited goes out in pieces', async () => {
  const relay = new StoreRelay(new FakeClock());
  for (let count = 0; count < 100; count += 1) void relay.ask({ op: 'put', key: 'k', value: 'A'.repeat(80_000) });
  const sizes: number[] = [];
  const outgoing = new Writable({
    write(chunk: Buffer, _encoding, done) {
      sizes.push(chunk.length);
      setImmediate(done);
    },
  });
  const incoming = new PassThrough();
  const served = relay.serve(incoming, outgoing);
  while (sizes.reduce((sum, size) => sum + size, 0) < 8_000_000) await new Promise((resolve) => setImmediate(resolve));
  assert.ok(Math.max(...sizes) < 400_000, `${sizes}`);
  incoming.end();
  await served;
});

test('a peer that does not read gets no more than it takes', async () => {
  const clock = new FakeClock();
  const relay = new StoreRelay(clock);
  const outgoing = new PassThrough();
  void relay.serve(new PassThrough(), outgoing);
  for (let count = 0; count < 100; count += 1) {
    void relay.ask({ op: 'put', key: 'k', value: 'A'.repeat(80_000) });
    await clock.advance(0);
  }
  assert.ok(outgoing.readableLength + outgoing.writableLength < 400_000, `${outgoing.writableLength}`);
});

test('a write that was sent when the connection broke keeps its number when it is sent again', async () => {
  const clock = new FakeClock();
  const relay = new StoreRelay(clock);
  const first = connect(relay);
  void relay.ask({ op: 'put', key: 'k', value: 'QQ==' });
  await clock.advance(0);
  first.incoming.destroy();
  await first.served.catch(() => undefined);
  void relay.ask({ op: 'put', key: 'l', value: 'QQ==' });
  const second = connect(relay);
  await clock.advance(0);
  assert.deepEqual(first.seen[0], second.seen[0]);
  assert.ok((second.seen[1]?.id ?? 0) > (second.seen[0]?.id ?? 0));
  assert.notEqual(new StoreRelay(clock).name, relay.name);
});
