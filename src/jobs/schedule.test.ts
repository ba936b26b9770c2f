import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { emptySpec, queuedJob } from '../fake/job.ts';
import { schedule, type Worker } from './schedule.ts';

const GiB = 1024 ** 3;
const worker = (name: string, freeCpus: number, freeMemoryBytes = 4 * GiB): Worker => ({
  name,
  runtimes: ['python'],
  freeCpus,
  freeMemoryBytes,
});
const job = (id: string, cpus: number, runtime = 'python') =>
  queuedJob({ id, spec: { ...emptySpec, runtime, limits: { ...emptySpec.limits, cpus } } });

test('the oldest job goes first, to the fullest worker that has room', () => {
  const plan = schedule([job('a', 1), job('b', 1)], [worker('w0', 4), worker('w1', 1)]);
  assert.deepEqual(plan.assignments, [
    { jobId: 'a', worker: 'w1' },
    { jobId: 'b', worker: 'w0' },
  ]);
});

test('a job that waits is told why', () => {
  assert.equal(schedule([job('a', 1)], []).waiting.get('a'), 'no worker is ready');
  assert.equal(schedule([job('a', 2)], [worker('w', 1)]).waiting.get('a'), 'no ready worker has 2 CPUs free');
  assert.equal(schedule([job('a', 1, 'ml')], [worker('w', 1)]).waiting.get('a'), 'no ready worker has the runtime ml');
  const small = schedule([job('a', 1)], [worker('w', 1, 0)]).waiting.get('a');
  assert.equal(small, 'no ready worker has 1024 MiB of memory free beside the CPUs');
});

test('a job without room does not hold up the one behind it', () => {
  const plan = schedule([job('big', 4), job('small', 1)], [worker('w', 1)]);
  assert.deepEqual(plan.assignments, [{ jobId: 'small', worker: 'w' }]);
});

test('no worker is ever given more than it has, and every job is assigned or told why', () => {
  const workers = fc.array(fc.tuple(fc.double({ min: 0, max: 8, noNaN: true }), fc.integer({ min: 0, max: 8 })), {
    maxLength: 6,
  });
  const jobs = fc.array(fc.double({ min: 0.1, max: 4, noNaN: true }), { maxLength: 40 });
  fc.assert(
    fc.property(workers, jobs, (free, asked) => {
      const pool = free.map(([cpus, memory], i) => worker(`w${i}`, cpus, memory * GiB));
      const queue = asked.map((cpus, i) => job(`j${i}`, cpus));
      const plan = schedule(queue, pool);
      assert.equal(plan.assignments.length + plan.waiting.size, queue.length);
      for (const one of pool) {
        const given = plan.assignments.filter((assignment) => assignment.worker === one.name);
        const cpus = given.reduce((sum, { jobId }) => sum + (asked[Number(jobId.slice(1))] ?? 0), 0);
        assert.ok(cpus <= one.freeCpus + 1e-3, `${one.name} was given ${cpus} of ${one.freeCpus} CPUs`);
        assert.ok(given.length * emptySpec.limits.memoryBytes <= one.freeMemoryBytes);
      }
    }),
  );
});
