import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { maxStoreKeyBytes, maxStoreValueBytes } from '../../src/protocol/agent-service.ts';
import { FakeStore } from '../support/fake-store.ts';
import { Harness } from '../support/harness.ts';
import { until } from '../support/poll.ts';

/** The store as handlers use it, against a store on a Unix socket. */

const source = `
from tidepool import StoreError, store

def handler(request):
    key, value = request.query.get("key"), request.body
    wrong = {"none": None, "number": 7, "surrogate": "\\ud800"}
    try:
        if request.path == "/get": return store.get(key)
        if request.path == "/put": return store.put(key, value)
        if request.path == "/put-str": return store.put(key, value.decode())
        if request.path == "/add": return store.add(key, value)
        if request.path == "/delete": return store.delete(key)
        if request.path == "/get-many": return {k: v and v.decode() for k, v in store.get_many(request.json()).items()}
        if request.path == "/add-many": return {k: v.decode() for k, v in store.add_many(request.json()).items()}
        if request.path == "/wrong-key": return store.get(wrong[key])
        if request.path == "/wrong-value": return store.put("key", wrong[key])
    except (StoreError, TypeError, ValueError) as error:
        return 409, f"{type(error).__name__}: {error}"
`;
const asyncSource = `
from tidepool import StoreError, store

async def handler(request):
    key = request.path
    try:
        return {"none": await store.aget(key), "put": await store.aput(key, "a"), "add": (await store.aadd(key, b"b")).decode(),
                "get": (await store.aget(key)).decode(), "delete": await store.adelete(key), "gone": await store.aget(key)}
    except StoreError as error:
        return 409, str(error)
`;

const limitMs = 60_000;
let folder: string;
let store: FakeStore;
let harness: Harness;
const options = (path: string) => ({ environment: { TIDEPOOL_STORE: path } });
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tidepool-store-'));
  store = await FakeStore.start(join(folder, 'socket'));
  harness = await Harness.start(source, options(join(folder, 'socket')));
});
after(async () => {
  await harness[Symbol.asyncDispose]();
  await store[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

async function ask(path: string, body?: string | Uint8Array): Promise<[number, string]> {
  const response = await harness.fetch(path, body === undefined ? {} : { method: 'POST', body });
  return [response.status, await response.text()];
}

test('values are written, added once, read and deleted', async () => {
  assert.deepEqual(await ask('/get?key=a'), [204, '']);
  assert.deepEqual(await ask('/put?key=a', 'one'), [204, '']);
  assert.deepEqual(await ask('/add?key=a', 'two'), [200, 'one']);
  assert.deepEqual(await ask('/put-str?key=a', 'drei ü'), [204, '']);
  assert.deepEqual(await ask('/get?key=a'), [200, 'drei ü']);
  assert.deepEqual(await ask('/delete?key=a'), [204, '']);
  assert.deepEqual(await ask('/add?key=a', ''), [200, '']);
  assert.deepEqual(await ask('/get?key=a'), [200, '']);
  const [first] = store.requests;
  assert.deepEqual(first, { id: first?.id, op: 'get', key: 'a' });
  assert.deepEqual(
    store.requests.find(({ op }) => op === 'put'),
    { id: store.requests[1]?.id, op: 'put', key: 'a', value: Buffer.from('one').toString('base64') },
  );
});

test('the largest keys and values pass, larger ones and other types are told', async () => {
  const longest = 'ü'.repeat(maxStoreKeyBytes / 2);
  const largest = new Uint8Array(maxStoreValueBytes).fill(255);
  assert.deepEqual(await ask(`/put?key=${encodeURIComponent(longest)}`, largest), [204, '']);
  assert.equal(store.values.get(longest), Buffer.from(largest).toString('base64'));
  assert.match(
    (await ask(`/get?key=${encodeURIComponent(longest)}x`))[1],
    /^ValueError: a key .* 512 bytes .* not 513$/,
  );
  assert.match((await ask('/get?key='))[1], /^ValueError: .* not 0$/);
  assert.match((await ask('/wrong-key?key=none'))[1], /^TypeError: a key of the store is a str, not NoneType$/);
  assert.match((await ask('/wrong-key?key=surrogate'))[1], /^UnicodeEncodeError/);
  assert.match((await ask('/wrong-value?key=number'))[1], /^TypeError: a value of the store is bytes or str, not int$/);
  const [, text] = await ask('/put?key=a', new Uint8Array(maxStoreValueBytes + 1));
  assert.match(text, /^ValueError: a value .* at most 65536 bytes, not 65537$/);
});

test('what the store refuses is an error with its reason', async () => {
  assert.deepEqual(await ask('/put?key=refused', 'x'), [409, 'StoreError: the store refused it: the store is full']);
});

test('many requests are in flight on one connection, and answers may come in any order', async () => {
  store.isHolding = true;
  store.requests.length = 0;
  const asked = Array.from({ length: 15 }, (_, index) => ask(`/add?key=order-${index}`, `value ${index}`));
  await until(
    async () => store.requests.length,
    (count) => count === 15,
    limitMs,
  );
  store.release();
  assert.deepEqual(
    await Promise.all(asked),
    asked.map((_, index) => [200, `value ${index}`]),
  );
  assert.equal(store.connections, 1);
});

test('many are asked in one call; one that is refused or wrong is an error of the call', async () => {
  const values = Object.fromEntries(Array.from({ length: 1_000 }, (_, index) => [`many-${index}`, `value ${index}`]));
  const askMany = (path: string, body: unknown) => ask(path, JSON.stringify(body));
  await ask('/put?key=many-7', 'stands');
  const expected = { ...values, 'many-7': 'stands' };
  assert.deepEqual(JSON.parse((await askMany('/add-many', values))[1]), expected);
  store.requests.length = 0;
  const keys = Object.keys(values);
  const [one, other] = await Promise.all([askMany('/get-many', [...keys, 'no']), askMany('/get-many', keys)]);
  assert.deepEqual(JSON.parse(one[1]), { ...expected, no: null });
  assert.deepEqual(JSON.parse(other[1]), expected);
  assert.equal(store.requests.length, 2_001);
  assert.deepEqual(await askMany('/get-many', []), [200, '{}']);
  assert.match((await askMany('/add-many', { a: 'x', refused: 'x' }))[1], /^StoreError: the store refused it/);
  assert.match((await askMany('/add-many', { a: 'x', '': 'x' }))[1], /^ValueError/);
  assert.equal(store.values.has('a'), true);
});

test('when the connection is lost, what waits on it fails and the next request makes a new one', async () => {
  store.isHolding = true;
  store.requests.length = 0;
  const waiting = ask('/get?key=a');
  await until(
    async () => store.requests.length,
    (count) => count === 1,
    limitMs,
  );
  store.disconnect();
  assert.match((await waiting)[1], /^StoreError: the connection to the store was lost/);
  store.release();
  assert.deepEqual(await ask('/put?key=again', 'yes'), [204, '']);
  assert.deepEqual(await ask('/get?key=again'), [200, 'yes']);
  assert.equal(store.connections, 2);
});

test('a store that does not answer, is not there, or answers nonsense is an error in time', async () => {
  const before = 'import tidepool.service_store as s\ns.TIME_LIMIT_S = 0.5';
  await using own = await Harness.start(source, { ...options(join(folder, 'socket')), before });
  store.isHolding = true;
  assert.match(await (await own.fetch('/get?key=a')).text(), /^StoreError: the store did not answer within/);
  store.release();
  // Of so short a limit this machine may need more than one.
  await until(
    async () => (await own.fetch('/get?key=again')).text(),
    (text) => text === 'yes',
    limitMs,
  );

  await using without = await Harness.start(source);
  assert.match(await (await without.fetch('/get?key=a')).text(), /^StoreError: there is no store here/);
  await using nowhere = await Harness.start(source, options(join(folder, 'nowhere')));
  assert.match(
    await (await nowhere.fetch('/get?key=a')).text(),
    /^StoreError: the store cannot be reached: .*No such file/,
  );
});

test('async handlers have the same', async () => {
  await using own = await Harness.start(asyncSource, options(join(folder, 'socket')));
  const answers = await Promise.all(Array.from({ length: 30 }, async (_, i) => (await own.fetch(`/${i}`)).json()));
  const expected = { none: null, put: null, add: 'a', get: 'a', delete: null, gone: null };
  assert.deepEqual(new Set(answers.map((each) => JSON.stringify(each))), new Set([JSON.stringify(expected)]));
  store.isHolding = true;
  store.requests.length = 0;
  const waiting = own.fetch('/lost');
  await until(
    async () => store.requests.length,
    (count) => count === 1,
    limitMs,
  );
  store.disconnect();
  assert.match(await (await waiting).text(), /connection to the store was lost/);
  store.release();
});
