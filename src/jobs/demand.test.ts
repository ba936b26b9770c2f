import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { demandOf, type PoolShape, weightOf } from './demand.ts';
import { queued, userQueue } from './queues.fake.ts';

const GiB = 1024 ** 3;
const none: ReadonlySet<string> = new Set();
const shape = (name: string, fields: Partial<PoolShape> = {}): PoolShape => {
  const runtimes = new Set(['python']);
  return {
    name,
    cpus: 2,
    memoryBytes: 4 * GiB,
    diskBytes: 100 * GiB,
    slots: 256,
    runtimes,
    max: 10,
    heldCpus: 0,
    perVm: 2,
    ...fields,
  };
};
const jobs = (count: number, fields = {}) => Array.from({ length: count }, (_, i) => queued(`j${i}`, fields));
const waiting = (...args: Parameters<typeof demandOf>) => Object.fromEntries(demandOf(...args));

test('a limited user counts for what he may still run, however long his queue is', () => {
  const rules = { maxRunning: 3 };
  const queue = userQueue('ann', jobs(100), { rules, running: 1, cpus: 1, queued: 1_000 });
  assert.deepEqual(waiting([queue], none, [shape('p')]), { p: 2 });
  assert.deepEqual(waiting([{ ...queue, running: 3 }], none, [shape('p')]), { p: 0 });
  const byCpus = userQueue('ann', jobs(100), { rules: { maxCpus: 4 }, running: 1, cpus: 1, queued: 1_000 });
  assert.deepEqual(waiting([byCpus], none, [shape('p')]), { p: 3 });
  const beyond = userQueue('ann', jobs(8), { rules: { maxRunning: 20 }, queued: 1_000 });
  assert.deepEqual(
    waiting([beyond], none, [shape('p')]),
    { p: 20 },
    'also where only the first of the queue were read',
  );
});

test('jobs that got a worker count for the limit and not for the demand', () => {
  const queue = userQueue('ann', jobs(10), { rules: { maxRunning: 4 } });
  assert.deepEqual(waiting([queue], new Set(['j0', 'j1']), [shape('p')]), { p: 2 });
});

test('jobs that no new VM of a pool could run count for none', () => {
  const queue = userQueue('ann', [
    queued('built', { runtime: 'req-1' }),
    queued('large', { cpus: 3 }),
    queued('memory', { memoryBytes: 5 * GiB }),
    queued('fits'),
  ]);
  assert.deepEqual(waiting([queue], none, [shape('p')]), { p: 1 });
  assert.deepEqual(waiting([queue], none, [shape('p', { max: 0 })]), { p: 0 });
});

test('a job counts for the first pool that could run it, and for the next when that one is full', () => {
  const queue = userQueue('ann', [...jobs(6), queued('large', { cpus: 4, memoryBytes: 8 * GiB })]);
  const large = shape('large', { cpus: 4, memoryBytes: 16 * GiB, perVm: 4 });
  assert.deepEqual(waiting([queue], none, [shape('small'), large]), { small: 6, large: 4 });
  const full = shape('small', { max: 3, heldCpus: 4 });
  assert.deepEqual(waiting([queue], none, [full, large]), { small: 2, large: 8 });
  assert.deepEqual(waiting([userQueue('ann', jobs(6))], none, [full]), { small: 6 }, 'and nowhere else: it waits');
});

test('what lies behind the jobs that were looked at counts as more of the same', () => {
  const mixed = [...jobs(5), ...Array.from({ length: 5 }, (_, i) => queued(`gone${i}`, { runtime: 'gone' }))];
  assert.deepEqual(waiting([userQueue('ann', mixed, { queued: 110 })], none, [shape('p', { max: 1_000 })]), { p: 55 });
});

test('a job that needs much of a VM weighs more than one, and never more than the VM', () => {
  const pool = shape('p', { cpus: 4, memoryBytes: 8 * GiB, perVm: 4 });
  assert.equal(weightOf({ cpus: 0.1, memoryBytes: GiB / 8, diskBytes: 1 }, pool), 1);
  assert.ok(Math.abs(weightOf({ cpus: 1, memoryBytes: 4 * GiB, diskBytes: 1 }, pool) - 2) < 1e-3);
  assert.ok(Math.abs(weightOf({ cpus: 4, memoryBytes: GiB, diskBytes: 1 }, pool) - 4) < 1e-3);
});

test('property: each job counts once, whatever the pools and the limits', () => {
  const job = fc.record({ cpus: fc.integer({ min: 1, max: 4 }), runtime: fc.constantFrom('python', 'gone') });
  const pools = fc.array(fc.record({ cpus: fc.integer({ min: 1, max: 4 }), max: fc.nat(5), heldCpus: fc.nat(10) }), {
    maxLength: 4,
  });
  fc.assert(
    fc.property(fc.array(job, { maxLength: 30 }), pools, fc.nat(40), (all, some, maxRunning) => {
      const queue = userQueue(
        'ann',
        all.map((fields, i) => queued(`j${i}`, { ...fields, memoryBytes: 1 })),
        { rules: { maxRunning } },
      );
      // Every job counts one when a VM has one place.
      const shapes = some.map((fields, i) => shape(`p${i}`, { ...fields, perVm: 1 }));
      const counts = demandOf([queue], none, shapes);
      const sum = [...counts.values()].reduce((total, count) => total + count, 0);
      const able = all.filter(
        ({ cpus, runtime }) => runtime === 'python' && shapes.some((one) => one.max > 0 && one.cpus >= cpus),
      );
      assert.equal(sum, Math.min(able.length, maxRunning));
    }),
  );
});
