import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { QueuedJob, QueueUser } from '../domain/queue.ts';
import { QueueWindows } from './queue-windows.ts';

const user = (name: string): QueueUser => ({
  name,
  queued: 1_000,
  usage: { cpuMs: 0, atMs: 0 },
  firstSinceMs: 0,
  changes: 1,
});
const users = Array.from({ length: 500 }, (_, i) => user(`user-${i}`));
const shape = { runtimes: ['python'], cpus: 2, memoryBytes: 1, diskBytes: 1 };

/** Queues that are all alike, and the queries that were made: how many users, and how many jobs of each. */
function queues(cpus: number) {
  const queries: (readonly [users: number, jobs: number])[] = [];
  const jobsOf = (owner: string, count: number): QueuedJob[] =>
    Array.from({ length: count }, (_, i) => ({
      ...{ id: `${owner} ${i}`, owner, priority: 0, runtime: 'python', cpus, memoryBytes: 1, diskBytes: 1 },
      ...{ timeoutMs: 1, createdAtMs: 0 },
    }));
  const read = async (names: readonly string[], count: number) => {
    queries.push([names.length, count]);
    return new Map(names.map((name) => [name, jobsOf(name, count)]));
  };
  const store = {
    queuedOf: read,
    runnableOf: (who: readonly { readonly name: string }[], _shapes: unknown, count: number) =>
      read(
        who.map(({ name }) => name),
        count,
      ),
  };
  return { windows: new QueueWindows(store), queries };
}

test('the queues of many users are read by queries of some hundred jobs each, and only once', async () => {
  const { windows, queries } = queues(1);
  const found = await windows.read(users, { shapes: [shape], maxCpus: () => Number.POSITIVE_INFINITY });
  assert.equal(found.size, users.length);
  assert.ok(queries.length > 1);
  for (const [names, jobs] of queries) assert.ok(names * jobs <= 500 + jobs, `${names} users, ${jobs} jobs of each`);
  const before = queries.length;
  await windows.read(users, { shapes: [shape], maxCpus: () => Number.POSITIVE_INFINITY });
  assert.equal(queries.length, before);
});

test('jobs that can run are looked for in the queue of one user at a time', async () => {
  const { windows, queries } = queues(4);
  const few = users.slice(0, 3);
  await windows.read(few, { shapes: [shape], maxCpus: () => Number.POSITIVE_INFINITY });
  assert.deepEqual(
    queries.slice(1).map(([names]) => names),
    [1, 1, 1],
  );
});
