import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { UserQueue } from './fairness.ts';
import { idleWorker, queued, userQueue } from './queues.fake.ts';
import type { Held, Worker } from './room.ts';
import { overheadMs } from './room.ts';
import type { Placement } from './rules.ts';
import { schedule } from './schedule.ts';

const nowMs = 1_000_000;
const GiB = 1024 ** 3;

interface Options {
  readonly placement?: Placement;
  readonly maxWaitMs?: number;
  readonly lastWorker?: string;
}

function plan(queues: readonly UserQueue[], workers: readonly Worker[], options: Options = {}) {
  const { placement = 'pack', maxWaitMs = Number.POSITIVE_INFINITY, lastWorker } = options;
  const { assignments, waiting } = schedule(queues, workers, { rules: { placement, maxWaitMs }, nowMs, lastWorker });
  return {
    given: assignments.map(({ jobId, worker }) => `${jobId}>${worker}`),
    code: (id: string) => waiting.get(id)?.code,
    text: (id: string) => waiting.get(id)?.text,
  };
}

const until = (ms: number, cpus = 1): Held => ({
  ...{ cpus, memoryBytes: GiB, diskBytes: GiB, slots: 1 },
  untilMs: nowMs + ms,
});

test('placement: to the fullest, to the emptiest, or in turn', () => {
  const jobs = ['a', 'b', 'c', 'd'].map((id) => queued(id));
  const workers = [idleWorker('w0', 4), idleWorker('w1', 4, { held: [until(1)] }), idleWorker('w2', 4)];
  const given = (options: Options) => plan([userQueue('ann', jobs)], workers, options).given;
  assert.deepEqual(given({ placement: 'pack' }), ['a>w1', 'b>w1', 'c>w1', 'd>w0']);
  assert.deepEqual(given({ placement: 'spread' }), ['a>w0', 'b>w2', 'c>w0', 'd>w1']);
  assert.deepEqual(given({ placement: 'round-robin' }), ['a>w0', 'b>w1', 'c>w2', 'd>w0']);
  assert.deepEqual(given({ placement: 'round-robin', lastWorker: 'w1' }), ['a>w2', 'b>w0', 'c>w1', 'd>w2']);
  assert.deepEqual(given({ placement: 'round-robin', lastWorker: 'w2' })[0], 'a>w0', 'after the last comes the first');
});

test('the user with the smallest share is next, again after each job', () => {
  const ann = userQueue('ann', [queued('a1'), queued('a2'), queued('a3')], { share: 90_000 });
  const ben = userQueue('ben', [queued('b1'), queued('b2'), queued('b3')]);
  const cat = userQueue('cat', [queued('c1'), queued('c2'), queued('c3'), queued('c4')], { rules: { weight: 2 } });
  assert.deepEqual(plan([ann, ben, cat], [idleWorker('w', 10)]).given, [
    'b1>w',
    'c1>w',
    'c2>w',
    'b2>w',
    'c3>w',
    'a1>w',
    'c4>w',
    'b3>w',
    'a2>w',
    'a3>w',
  ]);
});

test('memory counts as the CPUs that it would have served', () => {
  const ann = userQueue('ann', [queued('a1', { memoryBytes: 8 * GiB }), queued('a2')]);
  const ben = userQueue('ben', [queued('b1'), queued('b2'), queued('b3')]);
  assert.deepEqual(plan([ann, ben], [idleWorker('w', 4)]).given, ['a1>w', 'b1>w', 'b2>w', 'b3>w']);
});

test('a job that waits is told why', () => {
  const of = (job: ReturnType<typeof queued>, workers: readonly Worker[]) =>
    plan([userQueue('ann', [job])], workers).text('a');
  assert.equal(of(queued('a'), []), 'no worker is ready');
  assert.equal(of(queued('a', { runtime: 'ml' }), [idleWorker('w', 1)]), 'no ready worker has the runtime ml');
  assert.equal(
    of(queued('a', { cpus: 2 }), [idleWorker('w', 1)]),
    'no ready worker is large enough for 2 CPUs, 1024 MiB of memory and 1024 MiB of disk',
  );
  assert.equal(
    of(queued('a', { cpus: 2 }), [idleWorker('w', 2, { held: [until(5_500)] })]),
    'the next room on w is kept for it, in 6 s at the latest',
  );
});

test('beyond the reservations, what is missing is named', () => {
  const full = idleWorker('w', 1, { held: [until(5_000)] });
  const behind = (fields: object, worker: Worker) =>
    plan([userQueue('ann', [queued('first'), queued('a', fields)])], [worker]).text('a');
  assert.equal(behind({}, full), 'no ready worker has 1 CPU free');
  const little = idleWorker('w', 2, { memoryBytes: GiB, held: [until(5_000)] });
  assert.equal(
    behind({ memoryBytes: 1 }, { ...little, held: [{ ...until(5_000), memoryBytes: GiB }] }),
    'no ready worker has 1 MiB of memory free beside the CPUs',
  );
  const oneSlot = idleWorker('w', 2, { slots: 1, held: [until(5_000)] });
  assert.match(behind({}, oneSlot) ?? '', /as many jobs as it has places for/);
  const smallDisk = idleWorker('w', 2, { diskBytes: 1.5 * GiB, held: [until(5_000)] });
  assert.equal(
    behind({ diskBytes: 1.5 * GiB }, smallDisk),
    'no ready worker has 1536 MiB of disk free beside the CPUs and the memory',
  );
});

test('a job that is larger than all that its user may have is passed over, and keeps nobody waiting', () => {
  const rules = { maxCpus: 1 };
  const jobs = [queued('a1', { cpus: 2, priority: 5 }), queued('a2'), queued('a3')];
  const { given, code, text } = plan([userQueue('ann', jobs, { rules, firstSinceMs: -1e9 })], [idleWorker('w', 4)]);
  assert.deepEqual(given, ['a2>w']);
  assert.deepEqual([code('a1'), code('a3')], ['above_limit', 'user_cpus']);
  assert.equal(text('a1'), 'it needs 2 CPUs, and the jobs of ann may have 1 at one time');
});

test('disk and places of a worker are given away once', () => {
  const jobs = Array.from({ length: 9 }, (_, i) => queued(`a${i}`, { cpus: 0.1, memoryBytes: 1 }));
  const disk = plan([userQueue('ann', jobs)], [idleWorker('w', 64, { diskBytes: 4.5 * GiB })]);
  assert.equal(disk.given.length, 4);
  const slots = plan([userQueue('ann', jobs)], [idleWorker('w', 64, { slots: 6, held: [until(5_000, 0.1)] })]);
  assert.equal(slots.given.length, 5);
});

test('a small job passes a large one that waits, if that does not wait longer for it', () => {
  // 1 CPU is free; the large job can have both when the one that runs has ended.
  const worker = idleWorker('w', 2, { held: [until(100_000)] });
  const large = userQueue('ann', [queued('large', { cpus: 2 })]);
  const passing = (timeoutMs: number) =>
    plan([large, userQueue('ben', [queued('small', { timeoutMs })], { share: 1 })], [worker]);
  assert.deepEqual(passing(100_000 - overheadMs).given, ['small>w']);
  const late = passing(100_001 - overheadMs);
  assert.deepEqual(late.given, []);
  assert.equal(late.code('large'), 'reserved');
  assert.equal(late.text('small'), 'the room that is free is kept for a job that waits for more of it');
});

test('beside a reservation there is room for what the large job leaves', () => {
  const worker = idleWorker('w', 4, { held: [until(100_000, 3)] });
  const ann = userQueue('ann', [queued('large', { cpus: 3 })]);
  const ben = userQueue('ben', [queued('s1', { timeoutMs: 1e9 }), queued('s2', { timeoutMs: 1e9 })], { share: 1 });
  assert.deepEqual(plan([ann, ben], [worker]).given, ['s1>w']);
});

test('room is reserved where it comes first, one job a worker', () => {
  const workers = [idleWorker('w0', 2, { held: [until(9_000, 2)] }), idleWorker('w1', 2, { held: [until(5_000, 2)] })];
  const jobs = ['a', 'b', 'c'].map((id) => queued(id, { cpus: 2 }));
  const { text } = plan([userQueue('ann', jobs)], workers);
  assert.match(text('a') ?? '', /on w1 is kept for it, in 5 s/);
  assert.match(text('b') ?? '', /on w0 is kept for it, in 9 s/);
  assert.equal(text('c'), 'no ready worker has 2 CPUs free');
});

test('a user at a limit waits with all that he has; others do not', () => {
  const jobs = [queued('a1'), queued('a2', { cpus: 0.5 }), queued('a3')];
  const workers = [idleWorker('w', 8)];
  const ben = userQueue('ben', [queued('b')], { share: 1e9 });
  const two = plan([userQueue('ann', jobs, { running: 1, rules: { maxRunning: 2 } }), ben], workers);
  assert.deepEqual(two.given, ['a1>w', 'b>w']);
  assert.deepEqual([two.text('a2'), two.code('a3')], ['ann has 2 jobs running, of 2 at one time', 'user_running']);
  const cpus = plan([userQueue('ann', jobs, { cpus: 1.5, rules: { maxCpus: 2 } }), ben], workers);
  assert.deepEqual(cpus.given, ['b>w']);
  assert.equal(cpus.text('a2'), "ann's jobs have 1.5 CPUs, of 2 at one time", 'no smaller one passes it');
});

test('whose first job has waited too long goes before all shares, the longest wait first', () => {
  const waiting = (name: string, sinceMs: number) =>
    userQueue(name, [queued(`${name}1`), queued(`${name}2`)], { share: 1e9, firstSinceMs: sinceMs });
  const queues = [
    waiting('ann', nowMs - 11),
    waiting('ben', nowMs - 12),
    userQueue('new', [queued('n')], { firstSinceMs: nowMs }),
  ];
  const { given } = plan(queues, [idleWorker('w', 3)], { maxWaitMs: 11 });
  assert.deepEqual(given, ['ben1>w', 'ann1>w', 'n>w'], 'but only with the first job');
});
