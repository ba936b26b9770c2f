import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../domain/errors.ts';
import { Gate } from './gate.ts';

test('only so many run at once, the others in the order in which they came, and the rest is refused', async () => {
  const gate = new Gate(2, 3);
  const running: { name: number; end: () => void }[] = [];
  const work = (name: number): Promise<void> =>
    gate.run(() => new Promise<void>((resolve) => running.push({ name, end: resolve })));
  const all = [0, 1, 2, 3, 4].map(work);
  await assert.rejects(work(5), (error) => hasCode(error, 'exhausted'));
  const order: number[] = [];
  while (order.length < 5) {
    await new Promise((resolve) => setImmediate(resolve));
    assert.ok(running.length <= 2);
    const first = running.shift();
    if (first === undefined) assert.fail('nothing runs');
    order.push(first.name);
    first.end();
  }
  await Promise.all(all);
  assert.deepEqual(order, [0, 1, 2, 3, 4]);
});

test('work that fails gives its place back', async () => {
  const gate = new Gate(1, 1);
  for (let i = 0; i < 5; i += 1) {
    await assert.rejects(
      gate.run(() => Promise.reject(new Error('no'))),
      /no/,
    );
  }
  assert.equal(await gate.run(async () => 7), 7);
});
