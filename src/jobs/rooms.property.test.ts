import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { idleWorker, queued } from './queues.fake.ts';
import { Room, type Worker } from './room.ts';
import { Rooms } from './rooms.ts';
import { type Placement, placements } from './rules.ts';

const GiB = 1024 ** 3;
const cpus = fc.constantFrom(0.1, 0.5, 1, 2, 3);
const memoryBytes = fc.constantFrom(0.5, 1, 4).map((size) => size * GiB);
const diskBytes = fc.constantFrom(0.1, 1, 30).map((size) => size * GiB);
const slots = fc.constantFrom(1, 2, 4, 256);
const untilMs = fc.integer({ min: 1, max: 900_000 });
const runtime = fc.constantFrom('python', 'python', 'ml');
const workers = fc
  .array(
    fc.record({
      cpus: fc.constantFrom(2, 4, 4.3),
      diskBytes: fc.constantFrom(8, 40, 100).map((size) => size * GiB),
      slots,
      runtimes: fc.constantFrom<readonly string[]>(['python'], ['python', 'ml']),
      held: fc.array(fc.record({ cpus: fc.constant(1), memoryBytes, diskBytes, slots: fc.constant(1), untilMs }), {
        maxLength: 2,
      }),
    }),
    { maxLength: 12 },
  )
  .map((all) => all.map((one, i): Worker => ({ ...idleWorker(`w${i}`, one.cpus), ...one })));
const steps = fc.array(fc.record({ cpus, memoryBytes, diskBytes, runtime, untilMs, mayReserve: fc.boolean() }), {
  maxLength: 40,
});

test('a room is found as by comparing every room with the job', () => {
  const placement = fc.constantFrom(...(Object.keys(placements) as Placement[]));
  fc.assert(
    fc.property(workers, steps, placement, (pool, jobs, place) => {
      const rooms = new Rooms(pool);
      const every = new EveryRoom(pool);
      let last: string | undefined;
      for (const [i, { untilMs: endMs, mayReserve, ...need }] of jobs.entries()) {
        const job = queued(`j${i}`, need);
        const taken = rooms.take(job, endMs, place, last);
        assert.equal(taken, every.take(job, endMs, place, last));
        last = taken ?? last;
        if (taken === undefined && mayReserve) assert.deepEqual(rooms.reserve(job, 0), every.reserve(job));
        const able = rooms.samples().some((room) => room.isAble(job));
        assert.equal(
          able,
          every.rooms.some((room) => room.isAble(job)),
        );
        assert.equal(
          rooms.samples().some((room) => room.hasRoom(job)),
          every.rooms.some((room) => room.hasRoom(job)),
        );
      }
    }),
  );
});

/** The plain way: a walk over all rooms for each job. */
class EveryRoom {
  readonly rooms: readonly Room[];

  constructor(pool: readonly Worker[]) {
    this.rooms = pool.map((worker) => new Room(worker)).sort((a, b) => (a.worker.name < b.worker.name ? -1 : 1));
  }

  take(job: ReturnType<typeof queued>, untilMs: number, place: Placement, last: string | undefined) {
    const fitting = this.rooms.filter((room) => !room.isFull && room.accepts(job, untilMs));
    const sign = place === 'pack' ? 1 : -1;
    const room =
      place === 'round-robin'
        ? (fitting.find((one) => last !== undefined && one.worker.name > last) ?? fitting[0])
        : fitting.toSorted((a, b) => sign * (a.freeCpus - b.freeCpus))[0];
    room?.take(job, untilMs);
    return room?.worker.name;
  }

  reserve(job: ReturnType<typeof queued>) {
    const able = this.rooms.filter((room) => !room.isReserved && room.isAble(job));
    const opening = able.map((room) => ({ room, atMs: room.roomAtMs(job, 0) })).sort((a, b) => a.atMs - b.atMs)[0];
    if (opening === undefined) return undefined;
    opening.room.reserve(job, opening.atMs);
    return { worker: opening.room.worker.name, atMs: opening.atMs };
  }
}
