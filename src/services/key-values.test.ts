import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TidepoolError } from '../domain/errors.ts';
import type { KeyValueAnswer, KeyValueRelay, KeyValueRequest, KeyValueStore } from '../domain/service.ts';
import type { StoreRequest } from '../protocol/agent-service.ts';
import { answerStoreRequests, StoreSource } from './key-values.ts';

/** Holds so many keys, and counts how often it was asked. */
class TinyStore implements KeyValueStore {
  readonly values = new Map<string, Uint8Array>();
  readonly #maxKeys: number;
  applied = 0;
  relays: (KeyValueRelay | undefined)[] = [];
  error: TidepoolError | undefined;

  constructor(maxKeys: number) {
    this.#maxKeys = maxKeys;
  }

  async apply(service: string, requests: readonly KeyValueRequest[], relay?: KeyValueRelay): Promise<KeyValueAnswer[]> {
    this.applied += 1;
    this.relays.push(relay);
    if (this.error !== undefined) throw this.error;
    if (service !== 'fib') throw new TidepoolError('not_found', `there is no service ${service}`);
    return requests.map(({ op, key, value }) => {
      if (op === 'put' && !this.values.has(key) && this.values.size >= this.#maxKeys)
        return new TidepoolError('exhausted', 'full');
      if (op === 'put' && value !== undefined) this.values.set(key, value);
      return this.values.get(key);
    });
  }

  async count(): Promise<number> {
    return this.values.size;
  }
}

const clock = { now: () => 1 };
const answer = (store: KeyValueStore, service: string, requests: readonly StoreRequest[]) =>
  answerStoreRequests(store, service, requests, new StoreSource(clock));
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const put = (id: number, key: string, value = 'x'): StoreRequest => ({ id, op: 'put', key, value: base64(value) });
const get = (id: number, key: string): StoreRequest => ({ id, op: 'get', key });

test('a batch is one transaction, and each request gets its answer', async () => {
  const store = new TinyStore(10);
  const answers = await answer(store, 'fib', [put(7, 'a', 'ä'), get(8, 'a'), get(9, 'b')]);
  assert.deepEqual(answers, [
    { id: 7, value: base64('ä'), error: '' },
    { id: 8, value: base64('ä'), error: '' },
    { id: 9, value: null, error: '' },
  ]);
  assert.equal(store.applied, 1);
  assert.deepEqual(await answer(store, 'fib', []), []);
});

test('of a batch that does not fit only what does not fit is refused', async () => {
  const store = new TinyStore(5);
  const requests = [get(0, 'a'), ...Array.from({ length: 8 }, (_, i) => put(i + 1, `k${i}`)), get(9, 'k0')];
  const answers = await answer(store, 'fib', requests);
  assert.deepEqual(
    answers.map(({ id, error }) => `${id}${error === '' ? '' : ' refused'}`),
    ['0', '1', '2', '3', '4', '5', '6 refused', '7 refused', '8 refused', '9'],
  );
  assert.deepEqual([...store.values.keys()], ['k0', 'k1', 'k2', 'k3', 'k4']);
  assert.equal(store.applied, 1);
});

test('what cannot be is refused without a look at the store, and the rest is done', async () => {
  const store = new TinyStore(5);
  const answers = await answer(store, 'fib', [
    put(1, 'k'.repeat(513)),
    put(2, 'fine'),
    put(3, 'big', 'v'.repeat(64 * 1024 + 1)),
    get(4, '\ud800'),
    get(5, 'fine'),
  ]);
  assert.deepEqual(
    answers.map(({ id, error }) => [id, error]),
    [
      [1, 'a key is text of at most 512 bytes'],
      [2, ''],
      [3, 'a value has at most 65536 bytes'],
      [4, 'a key is text of at most 512 bytes'],
      [5, ''],
    ],
  );
});

test('a store that fails is told of in every answer', async () => {
  const answers = await answer(new TinyStore(5), 'gone', [get(1, 'a'), get(2, 'b')]);
  assert.deepEqual(
    answers.map(({ error }) => error),
    ['there is no service gone', 'there is no service gone'],
  );
});

test('what failed as a whole is told with what is carried out next', async () => {
  const store = new TinyStore(9);
  const source = new StoreSource(clock);
  const ask = (relay: string, ...requests: StoreRequest[]) =>
    answerStoreRequests(store, 'fib', requests, source.from(relay));
  store.error = new TidepoolError('unavailable', 'the disk does not answer');
  assert.match((await ask('r', put(1, 'a'), put(2, 'b')))[1]?.error ?? '', /does not answer/);
  store.error = undefined;
  await ask('r', put(2, 'b'), put(3, 'a'));
  assert.deepEqual(store.relays.at(-1), { name: 'r', refused: [1], nowMs: 1 });
  await ask('r', put(4, 'a'));
  assert.deepEqual(store.relays.at(-1)?.refused, []);
  store.error = new TidepoolError('unavailable', 'the disk does not answer');
  await ask('r', put(5, 'a'));
  store.error = undefined;
  await ask('another', put(1, 'a'));
  assert.deepEqual(store.relays.at(-1), { name: 'another', refused: [], nowMs: 1 });
});
