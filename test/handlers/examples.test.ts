import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { FakeStore } from '../support/fake-store.ts';
import { askByDatagram, Harness, type HarnessOptions } from '../support/harness.ts';

/** The examples in examples/services, by what they answer. */

async function start(name: string, options: HarnessOptions = {}): Promise<Harness> {
  return Harness.start(await readFile(`examples/services/${name}.py`), { file: `${name}.py`, ...options });
}

async function ask(harness: Harness, path: string, init?: RequestInit): Promise<[number, Record<string, unknown>]> {
  const response = await harness.fetch(path, init);
  assert.equal(response.headers.get('content-type'), 'application/json');
  return [response.status, (await response.json()) as Record<string, unknown>];
}

test('fibonacci', async () => {
  await using harness = await start('fibonacci');
  assert.deepEqual(await ask(harness, '/10'), [200, { input: 10, result: 55, server: 'vm-1' }]);
  assert.deepEqual(await ask(harness, '/0'), [200, { input: 0, result: 0, server: 'vm-1' }]);
  assert.deepEqual(await ask(harness, '/1'), [200, { input: 1, result: 1, server: 'vm-1' }]);
  assert.deepEqual(await ask(harness, '/20'), [200, { input: 20, result: 6765, server: 'vm-1' }]);
  for (const path of ['/-1', '/-5', '/', '/ten', '/1.5', '/1_0', '/41', '/99999999999', '/٣', '/10/']) {
    const [status, body] = await ask(harness, path);
    assert.equal(status, 400, path);
    assert.match(String(body.error), /\w/);
  }
});

test('collision', async () => {
  // Texts whose digits come up early among the numbers, so that the search is short: found by another way than the
  // example's.
  const digits = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 6);
  const smallest = new Map<string, string>();
  for (let number = 40_000; number >= 0; number -= 1) smallest.set(digits(String(number)), String(number));
  const texts = Array.from({ length: 3_000 }, (_, index) => `text-${index}`).filter((text) =>
    smallest.has(digits(text)),
  );
  assert.ok(texts.length >= 3);

  await using harness = await start('collision');
  for (const text of [...texts.slice(0, 3), '7', '39999']) {
    const result = smallest.get(digits(text));
    assert.deepEqual(await ask(harness, `/${text}`), [200, { input: text, result, server: 'vm-1' }]);
  }
  assert.equal((await ask(harness, '/'))[0], 400);
});

test('licence', async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'tidepool-licence-'));
  context.after(() => rm(folder, { recursive: true }));
  await using store = await FakeStore.start(join(folder, 'socket'));
  const options = { environment: { TIDEPOOL_STORE: join(folder, 'socket') } };
  await using one = await start('licence', options);
  await using other = await start('licence', { environment: { ...options.environment, TIDEPOOL_SERVER: 'vm-2' } });
  const plate = 'B-TP 2024';
  const path = `/${encodeURIComponent(plate)}`;

  assert.deepEqual(await ask(one, path), [404, { error: `the plate ${plate} is not registered` }]);
  const [status, body] = await ask(one, path, { method: 'POST' });
  const { input, result, server } = body;
  assert.deepEqual([status, input, server], [200, plate, 'vm-1']);
  const [hash, salt] = String(result).split(':');
  assert.equal(createHash('sha256').update(`${salt}${plate}`).digest('hex'), hash);
  assert.equal(store.values.get(plate), Buffer.from(String(result)).toString('base64'));

  assert.deepEqual(await ask(other, path), [200, { input: plate, result, server: 'vm-2' }]);
  assert.deepEqual(await ask(other, path, { method: 'POST' }), [200, { input: plate, result, server: 'vm-2' }]);
  assert.deepEqual(await ask(other, `${path}?hash=${result}`), [200, { input: plate, result: true, server: 'vm-2' }]);
  assert.deepEqual(await ask(other, `${path}?hash=${hash}:x`), [200, { input: plate, result: false, server: 'vm-2' }]);
  assert.equal((await ask(one, '/'))[0], 400);
  assert.equal((await ask(one, `/${'x'.repeat(65)}`))[0], 400);
  assert.equal((await ask(one, path, { method: 'PUT' }))[0], 405);

  const post = (content: unknown) => ask(other, '/', { method: 'POST', body: JSON.stringify(content) });
  const [, bulk] = await post([plate, 'B-1', 'B-2', 'B-1']);
  const results = bulk.result as Record<string, string>;
  assert.deepEqual([bulk.server, Object.keys(results), results[plate]], ['vm-2', [plate, 'B-1', 'B-2'], result]);
  assert.equal((await ask(one, '/B-1'))[1].result, results['B-1']);
  assert.deepEqual(await post(results), [200, { result: [], server: 'vm-2' }]);
  const changed = { ...results, 'B-2': String(results['B-1']), 'B-3': 'x:y' };
  assert.deepEqual(await post(changed), [200, { result: ['B-2', 'B-3'], server: 'vm-2' }]);
  for (const wrong of ['B-1', 7, [7], [''], ['x'.repeat(65)], Array(10_001).fill('B')])
    assert.equal((await post(wrong))[0], 400);

  // Many at once from both: each plate has one result, whoever asks.
  const plates = Array.from({ length: 200 }, (_, index) => `/P-${index}`);
  const register = async (each: string) => {
    const answers = await Promise.all([one, other].map((from) => ask(from, each, { method: 'POST' })));
    return new Set(answers.map(([, { result }]) => result)).size;
  };
  assert.deepEqual(new Set(await Promise.all(plates.map(register))), new Set([1]));
  assert.equal(store.values.size, plates.length + 3);
});

test('powmod', async () => {
  await using harness = await start('powmod', { protocol: 'udp' });
  for (const n of [0, 1, 9, 10, 1_020, 1_021, 123_456_789, 0x7fffffff, 0x80000000, 0xffffffff]) {
    const request = Buffer.alloc(4);
    request.writeUInt32BE(n);
    const expected = Buffer.alloc(8);
    expected.writeBigUInt64BE(powmod(2n, BigInt(n), 1_021n));
    assert.deepEqual(await askByDatagram(harness.port, request), expected, String(n));
  }
  const wrong = [0, 1, 2, 3, 5, 8, 1_500].map((size) => askByDatagram(harness.port, Buffer.alloc(size), 300));
  assert.deepEqual(new Set(await Promise.all(wrong)), new Set([undefined]));
  const status = await harness.status();
  assert.deepEqual([status?.errors, status?.restarts, harness.output], [0, 0, '']);
});

function powmod(base: bigint, exponent: bigint, modulus: bigint): bigint {
  if (exponent === 0n) return 1n;
  const half = powmod((base * base) % modulus, exponent / 2n, modulus);
  return exponent % 2n === 0n ? half : (half * base) % modulus;
}
