import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Holding } from '../domain/queue.ts';
import type { Vm, VmState } from '../domain/vm.ts';
import { readyVm } from '../fake/vm.ts';
import { atOnce } from '../reconcile/slices.ts';
import { queued, userQueue } from './queues.fake.ts';
import { Rooms } from './rooms.ts';
import { type Placement, placements } from './rules.ts';
import { type Schedule, scheduling } from './schedule.ts';
import { workerKinds } from './worker-shapes.ts';
import { KeptWorkers } from './workers.ts';

const GiB = 1024 ** 3;
const names = ['a', 'b', 'c', 'd', 'e'];

const vms = fc.record({
  name: fc.constantFrom(...names),
  state: fc.constantFrom<VmState>('ready', 'ready', 'ready', 'draining', 'dead'),
  cpus: fc.constantFrom(2, 4),
  runtimes: fc.constantFrom<readonly string[]>(['python'], ['python', 'ml'], []),
});
const held = fc.array(fc.record({ cpus: fc.constantFrom(0.5, 1), worker: fc.constantFrom(...names) }), {
  maxLength: 5,
});
const jobs = fc.array(
  fc.record({
    cpus: fc.constantFrom(0.5, 1, 3),
    runtime: fc.constantFrom('python', 'python', 'ml'),
    excluded: fc.subarray(names.slice(0, 2)),
  }),
  { maxLength: 8 },
);
/** What changes from one step to the next: VMs that come or are different, those that go, and what jobs hold of which. */
const step = fc.record({
  put: fc.array(vms, { maxLength: 2 }),
  gone: fc.subarray(names, { maxLength: 1 }),
  refill: fc.subarray(names, { maxLength: 2 }),
  held,
  jobs,
  nowMs: fc.integer({ min: 0, max: 200_000 }),
});

test('a schedule in kept rooms is the same as one in new rooms', () => {
  const placement = fc.constantFrom(...(Object.keys(placements) as Placement[]));
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 8 }), placement, (steps, place) => {
      const rows = new Map<string, Vm>();
      const heldOn = new Map<string, readonly Holding[]>();
      const kept = new Cluster();
      for (const { put, gone, refill, held: holdings, jobs: needs, nowMs } of steps) {
        for (const { cpus, ...vm } of put) {
          const capacity = { cpus, memoryBytes: 64 * GiB, diskBytes: 64 * GiB, slots: 4 };
          rows.set(vm.name, { ...readyVm({ ...vm, keyId: vm.name }), capacity });
        }
        for (const name of gone) rows.delete(name);
        for (const name of refill) {
          const own = holdings.filter(({ worker }) => worker === name).map(({ cpus }, i) => holding(name, i, cpus));
          if (own.length === 0) heldOn.delete(name);
          else heldOn.set(name, own);
        }
        const own = needs.map(({ excluded, ...need }, i) =>
          queued(`j${i}`, excluded.length === 0 ? need : { ...need, excluded }),
        );
        const given = [[...rows.values()], heldOn, own, place, nowMs] as const;
        const [one, other] = [kept.schedule(...given), new Cluster().schedule(...given)];
        assert.deepEqual(one, other);
      }
    }),
  );
});

/** The scheduler with all that it keeps. */
class Cluster {
  readonly #workers = new KeptWorkers();
  readonly #rooms = new Rooms([]);

  schedule(
    rows: readonly Vm[],
    heldOn: ReadonlyMap<string, readonly Holding[]>,
    jobs: readonly ReturnType<typeof queued>[],
    placement: Placement,
    nowMs: number,
  ) {
    this.#workers.look(rows, heldOn);
    const kinds = workerKinds(this.#workers.shapes);
    this.#workers.exclude(jobs);
    this.#rooms.renew(this.#workers.takeChanges());
    const options = { rules: { placement, maxWaitMs: 1e12 }, nowMs, lastWorker: 'b' };
    const run: Schedule = atOnce(scheduling([userQueue('ann', jobs)], this.#rooms, options));
    return { kinds, assignments: run.assignments, waiting: run.waiting };
  }
}

function holding(worker: string, i: number, cpus: number): Holding {
  const need = { cpus, memoryBytes: GiB, diskBytes: GiB, timeoutMs: 60_000 * (i + 1) };
  return { jobId: `${worker}${i}`, owner: 'ann', isRunning: true, worker, attempt: 1, ...need, assignedAtMs: 0 };
}
