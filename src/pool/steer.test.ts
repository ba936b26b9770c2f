import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type PoolAction, type SteeredVm, type StepKind, steer, type Wanted } from './steer.ts';

const wanted = (fields: Partial<Wanted> = {}): Wanted => ({
  desired: 1,
  warm: 0,
  maxParallelLaunches: 2,
  minLifetimeMs: 0,
  mayLaunch: true,
  ...fields,
});
let serial = 0;
const vm = (state: SteeredVm['state'], fields: Partial<SteeredVm> = {}): SteeredVm => {
  serial += 1;
  const name = `vm-${serial}`;
  return {
    name,
    state,
    stateSinceMs: 0,
    createdAtMs: serial,
    jobs: 0,
    isOutdated: false,
    isUnwanted: false,
    boot: 'going',
    step: null,
    ...fields,
  };
};
const kinds = (actions: readonly PoolAction[]): string[] => actions.map((action) => action.kind);

test('growing takes what is nearest: a drain is cancelled, a warm VM resumed, one launched', () => {
  const actions = steer([vm('ready'), vm('draining', { jobs: 1 }), vm('warm')], wanted({ desired: 4, warm: 1 }), 10);
  assert.deepEqual(kinds(actions), ['undrain', 'resume', 'launch']);
});

test('a booted VM enters service before a warm one is resumed, is kept warm when it can be paused, or goes', () => {
  const booted = (boot: SteeredVm['boot']): SteeredVm => vm('booting', { boot });
  assert.deepEqual(kinds(steer([booted('usable'), vm('warm')], wanted({ warm: 1 }), 0)), ['enter']);
  assert.deepEqual(kinds(steer([vm('ready'), booted('usable')], wanted({ warm: 1 }), 9_000)), []);
  assert.deepEqual(kinds(steer([vm('ready'), booted('done')], wanted({ warm: 1 }), 9_000)), ['park']);
  assert.deepEqual(kinds(steer([vm('ready'), booted('done')], wanted(), 9_000)), ['stop']);
});

test('a step that is under way counts as done', () => {
  const resuming = vm('warm', { step: 'resume' });
  assert.deepEqual(kinds(steer([resuming, vm('booting', { boot: 'done' })], wanted(), 0)), ['stop']);
  assert.deepEqual(kinds(steer([resuming], wanted({ desired: 2 }), 0)), ['launch']);
  const draining = vm('ready', { step: 'drain', jobs: 1 });
  assert.deepEqual(kinds(steer([draining, vm('ready'), vm('ready')], wanted({ desired: 2 }), 0)), []);
});

test('what comes already is not launched again, and launches are bounded', () => {
  assert.deepEqual(kinds(steer([vm('creating'), vm('booting')], wanted({ desired: 2 }), 0)), []);
  assert.deepEqual(kinds(steer([], wanted({ desired: 50, maxParallelLaunches: 3 }), 0)), [
    'launch',
    'launch',
    'launch',
  ]);
  assert.deepEqual(kinds(steer([], wanted({ desired: 5, mayLaunch: false }), 0)), []);
});

test('shrinking drains idle VMs first, and none before its minimum lifetime', () => {
  const busy = vm('ready', { jobs: 1 });
  const idle = vm('ready');
  const young = vm('ready', { stateSinceMs: 90 });
  const [action, ...others] = steer([busy, idle, young], wanted({ desired: 2, minLifetimeMs: 50 }), 100);
  assert.deepEqual(action, { kind: 'drain', name: idle.name, why: 'the pool wants fewer VMs' });
  assert.deepEqual(others, []);
});

test('what is drained is parked while the warm pool has room, else stopped; what still works stays', () => {
  const actions = steer(
    [vm('draining'), vm('draining'), vm('draining', { jobs: 1 })],
    wanted({ desired: 0, warm: 1 }),
    0,
  );
  assert.deepEqual(kinds(actions), ['park', 'stop']);
});

test('nothing is launched for the warm pool while VMs drain that will be warm', () => {
  const busy = vm('draining', { jobs: 1 });
  assert.deepEqual(kinds(steer([vm('ready'), busy, vm('draining')], wanted({ warm: 2 }), 0)), ['park']);
  assert.deepEqual(kinds(steer([vm('ready'), busy], wanted({ warm: 2 }), 5_000)), ['launch']);
  assert.deepEqual(kinds(steer([vm('ready'), vm('ready'), vm('ready')], wanted({ warm: 2 }), 0)), ['drain', 'drain']);
});

test('the warm pool is refilled a moment after a VM came into service, and what boots for it goes on', () => {
  const refill = wanted({ warm: 1 });
  assert.deepEqual(kinds(steer([vm('ready', { stateSinceMs: 9_000 })], refill, 10_000)), []);
  assert.deepEqual(kinds(steer([vm('ready', { stateSinceMs: 9_000 }), vm('booting')], refill, 10_000)), []);
  assert.deepEqual(kinds(steer([vm('warm')], refill, 10_000)), ['resume']);
  assert.deepEqual(kinds(steer([vm('ready', { stateSinceMs: 9_000 })], refill, 12_000)), ['launch']);
});

test('outdated VMs are replaced one at a time, and each is drained when another is there', () => {
  const outdated = (fields: Partial<SteeredVm> = {}) => vm('ready', { isOutdated: true, jobs: 1, ...fields });
  const two = wanted({ desired: 2 });
  assert.deepEqual(kinds(steer([outdated(), outdated()], two, 0)), ['launch']);
  assert.deepEqual(kinds(steer([outdated(), outdated(), vm('booting')], two, 0)), []);
  assert.deepEqual(kinds(steer([outdated(), outdated(), vm('booting', { boot: 'usable' })], two, 0)), ['enter']);
  assert.deepEqual(kinds(steer([outdated(), outdated(), vm('booting', { step: 'enter' })], two, 0)), []);
  const idle = outdated({ jobs: 0 });
  assert.deepEqual(
    steer([outdated(), idle, outdated(), vm('ready')], wanted({ desired: 3 }), 5_000).map((action) => ({ ...action })),
    [{ kind: 'drain', name: idle.name, why: 'another takes its place' }],
  );
  const drains = vm('draining', { isOutdated: true, jobs: 1 });
  assert.deepEqual(kinds(steer([outdated(), vm('ready'), drains], two, 0)), [], 'a busy one drains already');
  assert.deepEqual(kinds(steer([outdated({ jobs: 0 }), vm('ready'), drains], two, 0)), ['launch']);
  assert.deepEqual(kinds(steer([outdated(), vm('warm')], wanted(), 0)), ['resume']);
});

test('the only VM of a pool serves until another does, also while none may be launched', () => {
  const only = vm('ready', { isOutdated: true });
  assert.deepEqual(kinds(steer([only], wanted({ mayLaunch: false }), 0)), []);
  assert.deepEqual(kinds(steer([only, vm('creating')], wanted(), 0)), []);
  assert.deepEqual(kinds(steer([only, vm('ready', { stateSinceMs: 9_000 })], wanted(), 10_000)), []);
  assert.deepEqual(kinds(steer([only, vm('ready', { stateSinceMs: 9_000 })], wanted(), 12_000)), ['drain']);
  assert.deepEqual(kinds(steer([vm('draining', { isOutdated: true }), vm('ready')], wanted(), 0)), ['stop']);
});

test('a pool that shrinks gives up its outdated VMs first, and launches none for them', () => {
  const outdated = vm('ready', { isOutdated: true, jobs: 1 });
  const [action, ...others] = steer([vm('ready'), outdated, vm('ready')], wanted({ desired: 2 }), 5_000);
  assert.deepEqual([action?.kind === 'drain' && action.name, others.length], [outdated.name, 0]);
  assert.deepEqual(kinds(steer([outdated], wanted({ desired: 0 }), 0)), ['drain']);
});

/** What may be under way on a VM in this state; a step's last moments come after its VM's change. */
const stepsIn: Readonly<Record<SteeredVm['state'], readonly StepKind[]>> = {
  creating: ['launch'],
  booting: ['enter', 'park', 'stop'],
  ready: ['enter', 'resume', 'undrain', 'drain'],
  warm: ['resume', 'park', 'stop'],
  draining: ['drain', 'undrain', 'park', 'stop'],
  stopping: ['stop', 'reap'],
  failed: ['reap'],
  away: [],
  dead: ['reap'],
};
const enters: readonly (string | null)[] = ['undrain', 'enter', 'resume'];
const isBooting = (one: SteeredVm): boolean =>
  one.state === 'creating' || (one.state === 'booting' && one.step === null && one.boot === 'going');
const isInService = ({ step, state }: SteeredVm): boolean =>
  step === null ? state === 'ready' : enters.includes(step);
const mayBeBusy = (state: SteeredVm['state']): boolean => state === 'ready' || state === 'draining';

const anyVm = fc.record({
  state: fc.constantFrom<SteeredVm['state'][]>(
    'creating',
    'booting',
    'ready',
    'warm',
    'draining',
    'stopping',
    'failed',
  ),
  jobs: fc.integer({ min: 0, max: 3 }),
  stateSinceMs: fc.integer({ min: 0, max: 1_000 }),
  createdAtMs: fc.integer({ min: 0, max: 1_000 }),
  isOutdated: fc.boolean(),
  isUnwanted: fc.boolean(),
  boot: fc.constantFrom<SteeredVm['boot'][]>('going', 'usable', 'done'),
  step: fc.option(fc.nat(), { freq: 2 }),
});
const anyWanted: fc.Arbitrary<Wanted> = fc.record({
  desired: fc.integer({ min: 0, max: 12 }),
  warm: fc.integer({ min: 0, max: 4 }),
  maxParallelLaunches: fc.integer({ min: 1, max: 5 }),
  minLifetimeMs: fc.integer({ min: 0, max: 1_000 }),
  mayLaunch: fc.boolean(),
});

test('a busy VM is never stopped or parked, launches are bounded, each VM gets one action at the most', () => {
  fc.assert(
    fc.property(
      fc.array(anyVm, { maxLength: 20 }),
      anyWanted,
      fc.integer({ min: 1_000, max: 3_000 }),
      (vms, want, nowMs) => {
        const named = vms.map((one, i) => ({
          ...one,
          name: `vm-${i}`,
          jobs: mayBeBusy(one.state) ? one.jobs : 0,
          step: one.step === null ? null : (stepsIn[one.state][one.step % stepsIn[one.state].length] ?? null),
        }));
        const actions = steer(named, want, nowMs);
        const names = actions.flatMap((action) => (action.kind === 'launch' ? [] : [action.name]));
        assert.equal(new Set(names).size, names.length);
        for (const action of actions) {
          if (action.kind === 'launch') continue;
          const target = named.find((one) => one.name === action.name);
          assert.equal(target?.step, null, 'a step is under way on it');
          if (action.kind === 'stop' || action.kind === 'park') assert.equal(target?.jobs, 0);
        }
        const coming = named.filter(isBooting);
        const launches = actions.length - names.length;
        assert.ok(launches === 0 || launches + coming.length <= want.maxParallelLaunches);
        const inService = named.filter(isInService).length;
        const entering = actions.filter(
          ({ kind }) => kind === 'undrain' || kind === 'enter' || kind === 'resume',
        ).length;
        // One more than wanted while outdated VMs are replaced.
        const surge = named.some((one) => one.isOutdated && isInService(one)) ? 1 : 0;
        assert.ok(entering === 0 || inService + entering <= want.desired + surge);
      },
    ),
  );
});

test('carried out step by step, any pool comes to exactly what is wanted and stays', () => {
  fc.assert(
    fc.property(fc.array(anyVm, { maxLength: 12 }), anyWanted, (vms, want) => {
      let pool: SteeredVm[] = vms.map((one, i) => ({ ...one, step: null, name: `vm-${i}` }));
      for (let round = 0; round < 100; round += 1) {
        const actions = steer(pool, { ...want, mayLaunch: true }, 10_000 + round);
        pool = applied(pool, actions, round);
      }
      const count = (state: SteeredVm['state']): number => pool.filter((one) => one.state === state).length;
      assert.deepEqual(
        [count('ready'), count('warm'), pool.length],
        [want.desired, want.warm, want.desired + want.warm],
      );
    }),
  );
});

test('a step that lasts, as one that waits for room on the host does, makes no VM drain and come back by turns', () => {
  fc.assert(
    fc.property(fc.array(anyVm, { maxLength: 12 }), anyWanted, fc.array(fc.boolean()), (vms, want, stand) => {
      let pool: SteeredVm[] = vms.map((one, i) => {
        const step = one.state === 'ready' && stand[i] === true ? ('unpause' as const) : null;
        return { ...one, step, name: `vm-${i}` };
      });
      let actions: readonly PoolAction[] = [];
      for (let round = 0; round < 100; round += 1) {
        actions = steer(pool, { ...want, mayLaunch: true }, 10_000 + round);
        pool = applied(pool, actions, round);
      }
      assert.deepEqual(kinds(actions), []);
    }),
  );
});

test('however many VMs are outdated, as many as wanted serve at all times, and at the end none is outdated', () => {
  const counts = fc.record({ outdated: fc.integer({ min: 0, max: 6 }), warm: fc.integer({ min: 0, max: 2 }) });
  fc.assert(
    fc.property(counts, anyWanted, ({ outdated, warm }, want) => {
      const old = (state: 'ready' | 'warm') => vm(state, { isOutdated: true });
      const desired = Math.max(1, outdated);
      let pool = [
        ...Array.from({ length: desired }, () => old('ready')),
        ...Array.from({ length: warm }, () => old('warm')),
      ];
      for (let round = 0; round < 100; round += 1) {
        const actions = steer(pool, { ...want, desired, warm, mayLaunch: round > 3 }, 10_000 + round);
        pool = applied(pool, actions, round);
        const serving = pool.filter(({ state }) => state === 'ready').length;
        assert.ok(serving >= desired && serving <= desired + 1, `${serving} of ${desired} serve`);
      }
      assert.deepEqual([pool.length, pool.some((one) => one.isOutdated)], [desired + warm, false]);
    }),
  );
});

test('a pool that lost much while its warm VMs prepare themselves still launches one', () => {
  const preparing = vm('booting', { boot: 'usable' });
  const want = wanted({ desired: 2, warm: 1, maxParallelLaunches: 1 });
  assert.deepEqual(kinds(steer([vm('ready'), preparing], want, 9_000)), ['enter', 'launch']);
});

test('a drain may last for days: launches stop at the maximum, a replacement and a few drains', () => {
  const draining = Array.from({ length: 7 }, () => vm('draining', { jobs: 1, isUnwanted: true }));
  const want = wanted({ desired: 4, max: 4, maxParallelLaunches: 10 });
  assert.equal(steer(draining.slice(0, 3), want, 0).length, 4);
  assert.equal(steer(draining.slice(0, 5), want, 0).length, 2);
  assert.equal(steer(draining, want, 0).length, 0);
});

const hourMs = 3_600_000;
/** What makes VMs outdated: each so often, for as long as it lasts. Each VM that is in service has a job of some hours. */
const anyChanges = fc.record({
  everyMs: fc.integer({ min: 60_000, max: hourMs }),
  jobMs: fc.integer({ min: 60_000, max: 6 * hourMs }),
  max: fc.integer({ min: 1, max: 12 }),
  warm: fc.integer({ min: 0, max: 2 }),
  drainsEveryMs: fc.integer({ min: 60_000, max: 4 * hourMs }),
  lessEveryMs: fc.integer({ min: 60_000, max: 4 * hourMs }),
});

test('however often VMs become outdated, drained or unwanted, and however long their work lasts, the host is not filled', () => {
  fc.assert(
    fc.property(anyChanges, ({ everyMs, jobMs, max, warm, drainsEveryMs, lessEveryMs }) => {
      const tickMs = 30_000;
      let desired = max;
      let generation = 0;
      let pool: (SteeredVm & { generation: number; workUntilMs: number })[] = [];
      const isDue = (nowMs: number, period: number): boolean => nowMs % period < tickMs;
      for (let nowMs = 0; nowMs < 8 * hourMs; nowMs += tickMs) {
        if (isDue(nowMs, everyMs)) generation += 1;
        if (isDue(nowMs, lessEveryMs)) desired = desired === max ? Math.ceil(max / 2) : max;
        const unwanted = isDue(nowMs, drainsEveryMs) ? pool.find((one) => one.state === 'ready')?.name : undefined;
        pool = pool.map((one) => {
          const workUntilMs = one.state === 'ready' && one.workUntilMs <= nowMs ? nowMs + jobMs : one.workUntilMs;
          const isBusy = workUntilMs > nowMs && (one.state === 'ready' || one.state === 'draining');
          const isOutdated = one.generation < generation && one.state !== 'creating' && one.state !== 'booting';
          const isUnwanted = one.isUnwanted || one.name === unwanted;
          return { ...one, workUntilMs, jobs: isBusy ? 1 : 0, isOutdated, isUnwanted };
        });
        const want = wanted({ desired, max, warm, maxParallelLaunches: 3 });
        const actions = steer(pool, want, nowMs);
        pool = pool.flatMap((one) => {
          const action = actions.find((candidate) => candidate.kind !== 'launch' && candidate.name === one.name);
          if (action !== undefined && action.kind !== 'launch') {
            const state = after[action.kind];
            return state === 'stopping' ? [] : [{ ...one, state, stateSinceMs: nowMs }];
          }
          const next = later(one);
          return [{ ...one, ...next, stateSinceMs: next.state === one.state ? one.stateSinceMs : nowMs }];
        });
        for (const action of actions) {
          if (action.kind !== 'launch') continue;
          pool.push({ ...vm('creating', { stateSinceMs: nowMs, createdAtMs: nowMs }), generation, workUntilMs: 0 });
        }
        const bound = max + warm + 1 + Math.max(2, Math.floor(max / 4));
        assert.ok(pool.length <= bound, `${pool.length} VMs of a pool of ${max}, at most ${bound}`);
      }
    }),
    { numRuns: 30 },
  );
});

/** The pool after its actions were carried out, and all that boots or works has come further. */
function applied(pool: readonly SteeredVm[], actions: readonly PoolAction[], round: number): SteeredVm[] {
  const next: SteeredVm[] = [];
  for (const one of pool) {
    const action = actions.find((candidate) => candidate.kind !== 'launch' && candidate.name === one.name);
    const moved = action === undefined || action.kind === 'launch' ? later(one) : { ...one, state: after[action.kind] };
    if (one.state !== 'failed' && moved.state !== 'stopping') next.push({ ...moved, jobs: 0 });
  }
  const launched = actions.filter((action) => action.kind === 'launch');
  const fresh = launched.map((_, i) => vm('creating', { name: `new-${round}-${i}`, createdAtMs: 10_000 + round }));
  return [...next, ...fresh];
}

const after = {
  undrain: 'ready',
  enter: 'ready',
  resume: 'ready',
  drain: 'draining',
  park: 'warm',
  stop: 'stopping',
} as const;

function later(one: SteeredVm): SteeredVm {
  if (one.state === 'creating') return { ...one, state: 'booting', boot: 'going' };
  if (one.state === 'booting') return { ...one, boot: one.boot === 'going' ? 'usable' : 'done' };
  return one;
}
