import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { QueuedJob } from '../domain/queue.ts';
import { Cluster, type SimulatedJob } from './cluster.fake.ts';
import { placeInQueue } from './place.ts';
import { idleWorker, queued, userQueue } from './queues.fake.ts';
import { overheadMs } from './room.ts';
import { defaultUserRules, placements, type SchedulingRules, type UserRules } from './rules.ts';
import { schedule } from './schedule.ts';

const GiB = 1024 ** 3;
const cpus = fc.constantFrom(0.1, 0.5, 1, 1.5, 2, 3);
const diskBytes = fc.constantFrom(0.1, 1, 9).map((size) => size * GiB);
const slots = fc.constantFrom(1, 2, 256);
const memoryBytes = fc.constantFrom(0.5, 1, 4).map((size) => size * GiB);
const runtime = fc.constantFrom('python', 'python', 'python', 'ml');
const timeoutMs = fc.constantFrom(1_000, 30_000, 600_000);
const placement = fc.constantFrom(...(Object.keys(placements) as SchedulingRules['placement'][]));

const rulesWith = (fields: Partial<SchedulingRules>, user: Partial<UserRules> = {}): SchedulingRules => ({
  placement: 'pack',
  halfLifeMs: 3_600_000,
  maxWaitMs: 1e12,
  userRules: () => ({ ...defaultUserRules, ...user }),
  ...fields,
});

const workers = fc
  .array(
    fc.record({
      cpus: fc.constantFrom(1, 2, 4),
      memoryBytes: fc.constantFrom(2, 4, 8).map((size) => size * GiB),
      diskBytes: fc.constantFrom(1, 10, 20).map((size) => size * GiB),
      slots,
      runtimes: fc.constantFrom<readonly string[]>(['python'], ['python', 'ml']),
      held: fc.array(
        fc.record({
          cpus,
          memoryBytes,
          diskBytes,
          slots: fc.constant(1),
          untilMs: fc.integer({ min: 0, max: 900_000 }),
        }),
        { maxLength: 2 },
      ),
    }),
    { maxLength: 5 },
  )
  .map((all) => all.map((one, i) => fitting({ ...idleWorker(`w${i}`, one.cpus), ...one })));

const queues = fc
  .array(
    fc.record({
      share: fc.constantFrom(0, 0, 1_000, 1e7),
      weight: fc.constantFrom(0.5, 1, 3),
      firstSinceMs: fc.integer({ min: 0, max: 100_000 }),
      maxRunning: fc.constantFrom(1, 3, Number.POSITIVE_INFINITY),
      jobs: fc.array(fc.record({ cpus, memoryBytes, diskBytes, runtime, timeoutMs }), { maxLength: 8 }),
    }),
    { maxLength: 6 },
  )
  .map((all) =>
    all.map(({ jobs, weight, maxRunning, ...user }, u) => {
      const own = jobs.map((job, i) => queued(`u${u}j${i}`, { ...job, owner: `u${u}` }));
      return userQueue(`u${u}`, own, { ...user, rules: { weight, maxRunning } });
    }),
  );

/** A worker whose jobs do not hold more than it has. */
function fitting<T extends ReturnType<typeof idleWorker>>(worker: T): T {
  const held: T['held'][number][] = [];
  for (const one of worker.held) {
    const all = [...held, one];
    const cpus = all.reduce((sum, { cpus }) => sum + cpus, 0);
    const memory = all.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0);
    const disk = all.reduce((sum, { diskBytes }) => sum + diskBytes, 0);
    const fits = disk <= worker.diskBytes && all.length <= worker.slots;
    if (cpus <= worker.cpus && memory <= worker.memoryBytes && fits) held.push(one);
  }
  return { ...worker, held };
}

const oneStep = fc.tuple(queues, workers, placement, fc.constantFrom(50_000, 1e12));

test('every job is given once or told why; no worker gets more than it has, no user more than he may', () => {
  fc.assert(
    fc.property(oneStep, ([users, pool, place, maxWaitMs]) => {
      const { assignments, waiting } = schedule(users, pool, {
        rules: rulesWith({ placement: place, maxWaitMs }),
        nowMs: 100_000,
      });
      const jobs = new Map(users.flatMap((user) => user.jobs).map((job) => [job.id, job]));
      assert.equal(assignments.length + waiting.size, jobs.size);
      assert.equal(new Set([...assignments.map(({ jobId }) => jobId), ...waiting.keys()]).size, jobs.size);
      for (const worker of pool) {
        const given = assignments.filter((one) => one.worker === worker.name).map(({ jobId }) => jobs.get(jobId));
        const all = [...worker.held, ...given];
        assert.ok(all.reduce((sum, one) => sum + (one?.cpus ?? 0), 0) <= worker.cpus + 1e-3);
        assert.ok(all.reduce((sum, one) => sum + (one?.memoryBytes ?? 0), 0) <= worker.memoryBytes);
        assert.ok(all.reduce((sum, one) => sum + (one?.diskBytes ?? 0), 0) <= worker.diskBytes);
        assert.ok(all.length <= worker.slots);
        for (const job of given) assert.ok(worker.runtimes.includes(job?.runtime ?? ''));
      }
      for (const { name, rules } of users) {
        const own = assignments.filter(({ jobId }) => jobs.get(jobId)?.owner === name);
        assert.ok(own.length <= rules.maxRunning);
      }
    }),
  );
});

test('no room stays free that a waiting job could have, but for what is reserved', () => {
  fc.assert(
    fc.property(oneStep, ([users, pool, place]) => {
      const { assignments, waiting } = schedule(users, pool, {
        rules: rulesWith({ placement: place }),
        nowMs: 100_000,
      });
      const jobs = users.flatMap((user) => user.jobs);
      const reserved = new Set(
        [...waiting.values()]
          .filter(({ code }) => code === 'reserved')
          .map(({ text }) => / on (\w+) is kept/.exec(text)?.[1]),
      );
      for (const worker of pool) {
        if (reserved.has(worker.name)) continue;
        const given = assignments
          .filter((one) => one.worker === worker.name)
          .map(({ jobId }) => jobs.find(({ id }) => id === jobId));
        const all = [...worker.held, ...given];
        const freeCpus = worker.cpus - all.reduce((sum, one) => sum + (one?.cpus ?? 0), 0);
        const freeMemory = worker.memoryBytes - all.reduce((sum, one) => sum + (one?.memoryBytes ?? 0), 0);
        const freeDisk = worker.diskBytes - all.reduce((sum, one) => sum + (one?.diskBytes ?? 0), 0);
        for (const job of jobs) {
          const code = waiting.get(job.id)?.code;
          if (code === undefined || code === 'user_running') continue;
          const hasDisk = freeDisk >= job.diskBytes && all.length < worker.slots;
          const hasRoom =
            freeCpus >= job.cpus && freeMemory >= job.memoryBytes && hasDisk && worker.runtimes.includes(job.runtime);
          assert.ok(!hasRoom, `${job.id} waits (${code}) and ${worker.name} has room`);
        }
      }
    }),
  );
});

test('the same situation gives the same schedule, in whatever order it is told', () => {
  const shuffled = oneStep.chain(([users, pool, place, maxWaitMs]) =>
    fc.record({
      first: fc.constant({ users, pool }),
      second: fc.record({
        users: fc.shuffledSubarray(users, { minLength: users.length }),
        pool: fc.shuffledSubarray(pool, { minLength: pool.length }),
      }),
      rules: fc.constant(rulesWith({ placement: place, maxWaitMs })),
    }),
  );
  fc.assert(
    fc.property(shuffled, ({ first, second, rules }) => {
      const [one, other] = [first, second].map(({ users, pool }) => schedule(users, pool, { rules, nowMs: 100_000 }));
      assert.deepEqual(one?.assignments, other?.assignments);
      assert.deepEqual(one?.waiting, other?.waiting);
    }),
  );
});

test('over a long run each user with work gets his share, by weight', () => {
  const users = fc.array(
    fc.record({
      weight: fc.constantFrom(1, 2, 4),
      cpus: fc.constantFrom(0.5, 1, 2),
      runMs: fc.integer({ min: 10_000, max: 60_000 }),
    }),
    { minLength: 2, maxLength: 4 },
  );
  const halfLifeMs = fc.constantFrom(600_000, 3_600_000, 1e9);
  fc.assert(
    fc.property(
      users,
      halfLifeMs,
      fc.array(fc.integer({ min: 0, max: 30_000 }), { minLength: 7, maxLength: 7 }),
      (all, half, noise) => {
        const totalMs = 2 * 3_600_000;
        const jobs: SimulatedJob[] = all.flatMap((user, u) =>
          Array.from({ length: Math.ceil((totalMs * 4) / user.cpus / user.runMs) }, (_, i) => ({
            ...queued(`u${u}-${String(i).padStart(6, '0')}`, {
              owner: `u${u}`,
              cpus: user.cpus,
              memoryBytes: 1,
              timeoutMs: 90_000,
            }),
            runMs: user.runMs + (noise[i % noise.length] ?? 0),
          })),
        );
        const weightOf = (name: string): number => all[Number(name.slice(1))]?.weight ?? 1;
        const rules = {
          ...rulesWith({ halfLifeMs: half }),
          userRules: (name: string) => ({ ...defaultUserRules, weight: weightOf(name) }),
        };
        const capacity = 4;
        const cluster = new Cluster([idleWorker('w0', 2), idleWorker('w1', 2)], rules, jobs);
        cluster.run(totalMs);
        const got = [...cluster.heldCpuMs()].map(([name, cpuMs]) => cpuMs / weightOf(name));
        // What users have had differs by no more than what is running, and the half-life forgets so much of a difference.
        const bound = 2 * capacity * 90_000 * (1 + (totalMs * Math.LN2) / half);
        assert.equal(got.length, all.length);
        assert.ok(Math.max(...got) - Math.min(...got) <= bound, `${got.join()} differ by more than ${bound}`);
      },
    ),
    { numRuns: 25 },
  );
});

test('every job starts, the first of each user within a bound, however many newcomers there are', () => {
  const job = fc.record({
    owner: fc.nat({ max: 4 }),
    cpus: fc.constantFrom(0.5, 1, 2),
    timeoutMs: fc.constantFrom(10_000, 60_000),
    runs: fc.double({ min: 0.01, max: 1, noNaN: true }),
    createdAtMs: fc.nat({ max: 300_000 }),
    priority: fc.constantFrom(-1, 0, 1),
  });
  const maxWaitMs = fc.constantFrom(1_000, 120_000);
  fc.assert(
    fc.property(
      fc.array(job, { minLength: 1, maxLength: 60 }),
      maxWaitMs,
      fc.constantFrom(1, 2),
      (given, wait, count) => {
        const jobs: SimulatedJob[] = given.map(({ owner, runs, ...fields }, i) => ({
          ...queued(`j${String(i).padStart(3, '0')}`, { ...fields, owner: `u${owner}`, memoryBytes: 1 }),
          runMs: fields.timeoutMs * runs,
        }));
        // Somebody new comes every five seconds and has had nothing yet: by shares alone the others never got their turn.
        for (let i = 0; i < 200; i += 1) {
          const owner = `new${i}`;
          jobs.push({
            ...queued(`n${i}`, { owner, createdAtMs: i * 5_000, memoryBytes: 1, timeoutMs: 12_000 }),
            runMs: 12_000,
          });
        }
        const pool = Array.from({ length: count }, (_, i) => idleWorker(`w${i}`, 2));
        const cluster = new Cluster(pool, rulesWith({ maxWaitMs: wait }), jobs);
        for (let u = 0; u <= 4; u += 1) cluster.charge(`u${u}`, 1e12);
        cluster.run();
        assert.equal(cluster.waiting, 0);
        assert.equal(cluster.starts.length, jobs.length);
        for (const { job, atMs, firstForMs } of cluster.starts) {
          if (firstForMs === null) continue;
          // Only whose first job had been waiting then already goes before it when it is overdue, each with one job.
          const sinceMs = atMs - firstForMs;
          const then = cluster.starts.filter((other) => other.job.createdAtMs <= sinceMs && other.atMs > sinceMs);
          const bound = wait + new Set(then.map((other) => other.job.owner)).size * (60_000 + overheadMs);
          assert.ok(firstForMs <= bound, `${job.id} waited ${firstForMs} ms, more than ${bound}`);
        }
      },
    ),
    { numRuns: 40 },
  );
});

test('a large job starts by its reservation, while small ones keep passing it', () => {
  const small: SimulatedJob[] = Array.from({ length: 500 }, (_, i) => ({
    ...queued(`s${String(i).padStart(3, '0')}`, {
      owner: `u${i % 7}`,
      cpus: 0.5,
      memoryBytes: 1,
      timeoutMs: 60_000,
      createdAtMs: i * 1_000,
    }),
    runMs: 20_000 + ((i * 7_919) % 40_000),
  }));
  const large: SimulatedJob = {
    ...queued('large', { owner: 'ann', cpus: 2, memoryBytes: 1, createdAtMs: 50_000 }),
    runMs: 10_000,
  };
  const cluster = new Cluster([idleWorker('w', 2)], rulesWith({}), [...small, large]);
  cluster.run();
  const start = cluster.starts.find(({ job }) => job.id === 'large');
  assert.ok((start?.atMs ?? Number.POSITIVE_INFINITY) <= 50_000 + 60_000 + overheadMs, `at ${start?.atMs}`);
  assert.equal(cluster.starts.length, 501);
});

test('the place is the one in which jobs that are alike are started', () => {
  const alike = fc.array(
    fc.record({
      share: fc.constantFrom(0, 30_000, 60_000, 200_000),
      weight: fc.constantFrom(1, 2),
      jobs: fc.nat({ max: 6 }),
    }),
    { minLength: 1, maxLength: 5 },
  );
  fc.assert(
    fc.property(alike, (all) => {
      const users = all.map(({ share, weight, jobs }, u) => {
        const own: QueuedJob[] = Array.from({ length: jobs }, (_, i) => queued(`u${u}j${i}`, { owner: `u${u}` }));
        return userQueue(`u${u}`, own, { share, rules: { weight } });
      });
      const { assignments } = schedule(users, [idleWorker('w', 100)], { rules: rulesWith({}), nowMs: 0 });
      for (const user of users) {
        for (const [ahead, job] of user.jobs.entries()) {
          const place = assignments.findIndex(({ jobId }) => jobId === job.id);
          assert.equal(
            placeInQueue(user.name, ahead, users),
            place,
            `${job.id} of ${assignments.map(({ jobId }) => jobId)}`,
          );
        }
      }
    }),
  );
});
