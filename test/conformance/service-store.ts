import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../../src/domain/errors.ts';
import type { KeyValueAnswer, KeyValueLimits, KeyValueRequest } from '../../src/domain/service.ts';
import { maxRevisions } from '../../src/domain/service.ts';
import type { Store } from '../../src/domain/store.ts';
import { rollingRevision, runningService } from '../../src/fake/service.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const texts = (answers: readonly KeyValueAnswer[]): (string | undefined)[] =>
  answers.map((answer) => (answer instanceof Uint8Array ? new TextDecoder().decode(answer) : answer?.message));

/**
 * What every Store must do with services, and with what their handlers keep.
 * @param open a new, empty store with these limits
 */
export function serviceStoreConformance(name: string, open: (limits: KeyValueLimits) => Promise<Store>): void {
  const withStore = (title: string, body: (store: Store) => Promise<void>): void => {
    test(`${name}: ${title}`, async () => {
      const store = await open({ maxKeys: 3, maxBytes: 100 });
      try {
        await body(store);
      } finally {
        await store.close();
      }
    });
  };
  const refused = (work: Promise<unknown>, code: 'conflict' | 'not_found') =>
    assert.rejects(work, (error) => hasCode(error, code));
  const states = async (store: Store) =>
    (await store.services.revisions('fib')).map(({ number, state }) => `${number} ${state}`);

  withStore('a service comes back as it was put in, and its name is taken', async (store) => {
    const service = runningService({ name: 'fib' });
    await store.services.insert(service);
    await store.services.insert(runningService({ name: 'a', protocol: 'udp', port: null }));
    assert.deepEqual(await store.services.get('fib'), service);
    assert.deepEqual(
      (await store.services.list()).map((one) => one.name),
      ['a', 'fib'],
    );
    await refused(store.services.insert(service), 'conflict');
    assert.equal(await store.services.get('b'), undefined);
  });

  withStore('a service changes only in what is named', async (store) => {
    const service = runningService({ name: 'fib' });
    await store.services.insert(service);
    assert.equal(await store.services.change('fib', {}), true);
    assert.deepEqual(await store.services.get('fib'), service);
    const changes = { port: 8_123, isRunning: false, isLeaving: true, settings: { ...service.settings, max: 9 } };
    assert.equal(await store.services.change('fib', changes), true);
    assert.deepEqual(await store.services.get('fib'), { ...service, ...changes });
    assert.equal(await store.services.change('b', changes), false);
  });

  withStore(
    'deploying takes an older rolling revision back, and a current one is replaced by the next',
    async (store) => {
      await store.services.insert(runningService({ name: 'fib' }));
      const first = rollingRevision({ service: 'fib', number: 1 });
      await store.services.insertRevision(first);
      assert.deepEqual(await store.services.revisions('fib'), [first]);
      await store.services.insertRevision(rollingRevision({ service: 'fib', number: 2 }));
      assert.deepEqual(await states(store), ['2 rolling', '1 failed']);
      assert.match((await store.services.revisions('fib'))[1]?.message ?? '', /revision 2/);

      const settle = (number: number, state: 'current' | 'failed') =>
        store.services.settleRevision('fib', number, { state, message: `${number}`, traceback: 'Traceback' });
      assert.equal(await settle(1, 'current'), false, 'it was taken back');
      assert.equal(await settle(2, 'current'), true);
      assert.equal((await store.services.get('fib'))?.current, 2);
      assert.equal(await settle(2, 'failed'), false, 'it is settled');
      await store.services.insertRevision(rollingRevision({ service: 'fib', number: 3 }));
      assert.equal(await settle(3, 'failed'), true);
      assert.equal((await store.services.get('fib'))?.current, 2);
      await store.services.insertRevision(rollingRevision({ service: 'fib', number: 4 }));
      assert.equal(await settle(4, 'current'), true);
      assert.deepEqual(await states(store), ['4 current', '3 failed', '2 superseded', '1 failed']);
      const [, failed] = await store.services.revisions('fib');
      assert.deepEqual([failed?.message, failed?.traceback], ['3', 'Traceback']);
    },
  );

  withStore('a number is taken once, and only in a service that is there', async (store) => {
    await refused(store.services.insertRevision(rollingRevision({ service: 'fib', number: 1 })), 'not_found');
    await store.services.insert(runningService({ name: 'fib' }));
    await store.services.insertRevision(rollingRevision({ service: 'fib', number: 1 }));
    await refused(store.services.insertRevision(rollingRevision({ service: 'fib', number: 1 })), 'conflict');
    assert.deepEqual(await states(store), ['1 rolling'], 'nothing of a refused one stays');
  });

  withStore('old revisions are dropped, the current one never', async (store) => {
    await store.services.insert(runningService({ name: 'fib' }));
    for (let number = 1; number <= maxRevisions + 3; number += 1) {
      await store.services.insertRevision(rollingRevision({ service: 'fib', number }));
      if (number === 2) await store.services.settleRevision('fib', 2, { state: 'current', message: '', traceback: '' });
    }
    const numbers = (await store.services.revisions('fib')).map(({ number }) => number);
    assert.equal(numbers.length, maxRevisions + 1);
    assert.deepEqual(numbers.slice(-2), [4, 2]);
  });

  withStore('a batch of keys and values is carried out in its order', async (store) => {
    await store.services.insert(runningService({ name: 'fib' }));
    const answers = await store.keyValues.apply('fib', [
      { op: 'get', key: 'a' },
      { op: 'put', key: 'a', value: bytes('1') },
      { op: 'add', key: 'a', value: bytes('2') },
      { op: 'put', key: 'a', value: bytes('3') },
      { op: 'get', key: 'a' },
      { op: 'add', key: 'b', value: bytes('4') },
      { op: 'delete', key: 'a' },
      { op: 'delete', key: 'a' },
      { op: 'get', key: 'a' },
      { op: 'add', key: 'a', value: bytes('') },
    ]);
    assert.deepEqual(texts(answers), [undefined, '1', '1', '3', '3', '4', undefined, undefined, undefined, '']);
    assert.equal(await store.keyValues.count('fib'), 2);
    const again = await store.keyValues.apply('fib', [
      { op: 'get', key: 'a' },
      { op: 'get', key: 'b' },
    ]);
    assert.deepEqual(texts(again), ['', '4']);
    assert.deepEqual(await store.keyValues.apply('fib', []), []);
  });

  const relay = { name: 'r', refused: [] as number[], nowMs: 1 };
  const putAs = (id: number, key: string, value: string) => ({ id, op: 'put' as const, key, value: bytes(value) });
  const addAs = (id: number, key: string, value: string) => ({ id, op: 'add' as const, key, value: bytes(value) });
  const kept = async (store: Store, key: string) => texts(await store.keyValues.apply('fib', [{ op: 'get', key }]))[0];

  withStore('a write that comes again from a relay undoes nothing that came after it', async (store) => {
    await store.services.insert(runningService({ name: 'fib' }));
    const first = [putAs(1, 'k', 'A'), addAs(2, 'once', 'A'), { id: 3, op: 'delete' as const, key: 'gone' }];
    assert.deepEqual(texts(await store.keyValues.apply('fib', first, relay)), ['A', 'A', undefined]);
    // Another VM reads them and writes what follows from them; then the first relay sends again, and one more.
    await store.keyValues.apply('fib', [putAs(1, 'k', 'B'), putAs(2, 'gone', 'B')], { ...relay, name: 'other' });
    await store.keyValues.apply('fib', [{ op: 'delete', key: 'once' }]);
    const again = await store.keyValues.apply('fib', [...first, putAs(4, 'once', 'D')], relay);
    assert.deepEqual(texts(again), ['A', 'A', undefined, 'D']);
    for (const [key, value] of Object.entries({ k: 'B', once: 'D', gone: 'B' }))
      assert.equal(await kept(store, key), value);
  });

  withStore('what did nothing may be done when it comes again from a relay', async (store) => {
    await store.services.insert(runningService({ name: 'fib' }));
    await store.keyValues.apply('fib', [putAs(1, 'k', 'B')], relay);
    assert.deepEqual(texts(await store.keyValues.apply('fib', [addAs(5, 'k', 'C'), putAs(6, 'm', 'C')], relay)), [
      'B',
      'C',
    ]);
    await store.keyValues.apply('fib', [putAs(8, 'm', 'E')], { ...relay, refused: [7] });
    await store.keyValues.apply('fib', [{ op: 'delete', key: 'k' }]);
    const again = [addAs(5, 'k', 'C'), putAs(6, 'm', 'D'), putAs(7, 'o', 'C')];
    assert.deepEqual(texts(await store.keyValues.apply('fib', again, relay)), ['C', 'D', 'C']);
    for (const [key, value] of Object.entries({ k: 'C', m: 'E', o: 'C' })) assert.equal(await kept(store, key), value);
  });

  withStore('relays are told apart, and the oldest are forgotten', async (store) => {
    await store.services.insert(runningService({ name: 'fib' }));
    for (let i = 0; i < 1_010; i += 1)
      await store.keyValues.apply('fib', [putAs(1, 'x', String(i))], { ...relay, name: `r${i}`, nowMs: i });
    assert.equal(await kept(store, 'x'), '1009');
    await store.keyValues.apply('fib', [putAs(1, 'x', 'known')], { ...relay, name: 'r500', nowMs: 3_000 });
    assert.equal(await kept(store, 'x'), '1009');
    await store.keyValues.apply('fib', [putAs(1, 'x', 'forgotten')], { ...relay, name: 'r0', nowMs: 3_000 });
    assert.equal(await kept(store, 'x'), 'forgotten');
  });

  withStore('services do not see what others keep, and take theirs along', async (store) => {
    for (const service of ['fib', 'other']) await store.services.insert(runningService({ name: service }));
    await store.keyValues.apply('fib', [{ op: 'put', key: 'a', value: bytes('1') }]);
    assert.deepEqual(await store.keyValues.apply('other', [{ op: 'get', key: 'a' }]), [undefined]);
    await store.services.insertRevision(rollingRevision({ service: 'fib', number: 1 }));
    await store.services.delete('fib');
    await store.services.delete('fib');
    await refused(store.keyValues.apply('fib', [{ op: 'get', key: 'a' }]), 'not_found');
    await store.services.insert(runningService({ name: 'fib' }));
    assert.deepEqual(await store.keyValues.apply('fib', [{ op: 'get', key: 'a' }]), [undefined]);
    assert.deepEqual(await store.services.revisions('fib'), []);
  });

  withStore(
    'a batch that would pass a limit is refused whole; what is there may be read and made smaller',
    async (store) => {
      await store.services.insert(runningService({ name: 'fib' }));
      const put = (key: string, length: number) => ({ op: 'put' as const, key, value: new Uint8Array(length) });
      await store.keyValues.apply('fib', [put('a', 10), put('b', 10), put('c', 10)]);
      const sizes = async (...requests: KeyValueRequest[]) =>
        (await store.keyValues.apply('fib', requests)).map((answer) =>
          hasCode(answer, 'exhausted') ? 'full' : answer instanceof Uint8Array ? answer.length : undefined,
        );
      const get = { op: 'get', key: 'a' } as const;
      assert.deepEqual(await sizes(put('a', 1), put('d', 1), put('b', 2), get), [1, 'full', 2, 1]);
      assert.deepEqual(await sizes(put('a', 10), put('b', 10), put('a', 90), get), [10, 10, 'full', 10]);
      await store.keyValues.apply('fib', [put('a', 77)]);
      await store.keyValues.apply('fib', [{ op: 'delete', key: 'b' }, put('ä', 9)]);
      assert.equal(await store.keyValues.count('fib'), 3);
      assert.deepEqual(await sizes(put('ä', 10)), ['full']);
    },
  );

  withStore('keys are any text', async (store) => {
    await store.services.insert(runningService({ name: 'fib' }));
    const keys = ['', "'; drop table key_value; --", 'nul\0nul', 'äöü 😀'];
    for (const key of keys) {
      await store.keyValues.apply('fib', [{ op: 'put', key, value: bytes(key) }]);
      assert.deepEqual(texts(await store.keyValues.apply('fib', [{ op: 'get', key }])), [key]);
      await store.keyValues.apply('fib', [{ op: 'delete', key }]);
    }
    assert.equal(await store.keyValues.count('fib'), 0);
  });
}
