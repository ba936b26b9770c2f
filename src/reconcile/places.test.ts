import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../domain/errors.ts';
import { eachOf, Places } from './places.ts';

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('places are handed on in the order in which they were asked for', () => {
  const places = new Places({ most: 2, mostWaiting: 10, what: 'calls' });
  const begun: number[] = [];
  const leave = [0, 1, 2, 3, 4].map((number) => places.enter(() => begun.push(number)));
  assert.deepEqual(begun, [0, 1]);
  leave[3]?.();
  leave[0]?.();
  leave[0]?.();
  assert.deepEqual(begun, [0, 1, 2]);
  leave[1]?.();
  leave[2]?.();
  leave[4]?.();
  assert.deepEqual(begun, [0, 1, 2, 4]);
  places.enter(() => begun.push(5));
  places.enter(() => begun.push(6));
  places.enter(() => begun.push(7));
  assert.deepEqual(begun, [0, 1, 2, 4, 5, 6]);
});

test('a queue that is full refuses with clear words', async () => {
  const places = new Places({ most: 1, mostWaiting: 1, what: 'calls to libvirt' });
  const leave = await places.take();
  const waiting = places.take();
  await assert.rejects(places.take(), (error) => hasCode(error, 'exhausted') && /calls to libvirt/.test(error.message));
  leave();
  (await waiting)();
  (await places.take())();
});

test('work on many goes on at most so many at a time, and keeps their order', async () => {
  let atOnce = 0;
  let most = 0;
  const doubled = await eachOf([1, 2, 3, 4, 5, 6, 7], 3, async (item) => {
    atOnce += 1;
    most = Math.max(most, atOnce);
    await settled();
    atOnce -= 1;
    return 2 * item;
  });
  assert.deepEqual(doubled, [2, 4, 6, 8, 10, 12, 14]);
  assert.equal(most, 3);
});

test('after a failure no more work begins', async () => {
  const begun: number[] = [];
  const failing = eachOf([1, 2, 3, 4, 5, 6], 2, async (item) => {
    begun.push(item);
    await settled();
    if (item === 2) throw new Error('no');
  });
  await assert.rejects(failing, /no/);
  await settled();
  await settled();
  assert.ok(begun.length < 6, begun.join());
});
