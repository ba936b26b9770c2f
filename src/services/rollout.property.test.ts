import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { HeldRevision, RolloutVm } from './held.ts';
import { type Rollout, type RolloutRevision, type RolloutStep, rollout } from './rollout.ts';

/** Where a revision runs, and where it fails when it is started. */
type Health = 'good' | 'bad everywhere' | 'bad on even VMs';

interface World {
  revisions: RolloutRevision[];
  readonly health: Map<number, Health>;
  vms: RolloutVm[];
  launched: number;
}

/** What may happen to a service in between. `pick` chooses a VM. */
const anyEvent = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('deploy' as const),
      health: fc.constantFrom<Health>('good', 'bad everywhere', 'bad on even VMs'),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom('launch' as const, 'drain' as const, 'undrain' as const, 'kill' as const),
      pick: fc.nat(9),
    }),
  },
  // Mostly there is time for a rollout to go on.
  { weight: 20, arbitrary: fc.constant({ kind: 'nothing' as const }) },
);
type Event = typeof anyEvent extends fc.Arbitrary<infer T> ? T : never;
/** An event, and which of the things that take time get done in the round after it. */
const anyRound = fc.record({ event: anyEvent, done: fc.nat(2 ** 16 - 1) });
const someRounds = fc.array(anyRound, { minLength: 80, maxLength: 80 });

/** Three VMs on their way up, and a revision for them. */
function newWorld(): World {
  const world: World = { revisions: [], health: new Map(), vms: [], launched: 0 };
  for (let i = 0; i < 3; i += 1) happen(world, { kind: 'launch' });
  happen(world, { kind: 'deploy', health: 'good' });
  return world;
}

function play(world: World, { event, done }: { event: Event; done: number }): Rollout {
  happen(world, event);
  let bit = 0;
  return advance(world, () => ((done >> (bit++ % 16)) & 1) === 1);
}

test('a VM that serves goes on serving through any rollout; what fails everywhere never becomes current', () => {
  fc.assert(
    fc.property(someRounds, (rounds) => {
      const world = newWorld();
      for (const round of rounds) {
        const before = new Map(world.vms.map((vm) => [vm.name, vm]));
        const plan = play(world, round);
        for (const vm of world.vms) {
          const was = before.get(vm.name);
          if (vm.phase !== 'serving' || was?.phase !== 'serving' || !isOpen(was)) continue;
          assert.ok(isOpen(vm) || !hasAny(world), `${vm.name} serves no more: ${JSON.stringify({ was, vm, plan })}`);
        }
      }
    }),
    { numRuns: 300 },
  );
});

test('when nothing happens any more, every VM in service ends with the current revision and nothing else', () => {
  fc.assert(
    fc.property(someRounds, (rounds) => {
      const world = newWorld();
      for (const round of rounds) play(world, round);
      happen(world, { kind: 'launch' });
      for (let round = 0; round < 200; round += 1) advance(world, () => true);
      assert.ok(!world.revisions.some((one) => one.state === 'rolling'), 'every rollout ends');
      const current = world.revisions.find((one) => one.state === 'current')?.number;
      for (const vm of world.vms) {
        // One on which it cannot be started has nothing better to run.
        if (vm.phase === 'draining' || (current !== undefined && isBad(world, current, vm.name))) continue;
        const found = [vm.phase, ...vm.held.map((one) => `${one.number} ${one.traffic}`)];
        assert.deepEqual(found, ['serving', ...(current === undefined ? [] : [`${current} open`])]);
      }
    }),
    { numRuns: 200 },
  );
});

/** Whether there is a revision that VMs should run. */
function hasAny(world: World): boolean {
  return world.revisions.some((one) => one.state === 'current' || one.state === 'rolling');
}

function happen(world: World, event: Event | { kind: 'launch' }): void {
  if (event.kind === 'nothing') return;
  if (event.kind === 'deploy') {
    const number = world.revisions.length + 1;
    const older = world.revisions.map((one) => (one.state === 'rolling' ? { ...one, state: 'failed' as const } : one));
    world.revisions = [{ number, state: 'rolling', runtime: 'python' }, ...older];
    world.health.set(number, event.health);
    return;
  }
  if (event.kind === 'launch') {
    world.vms = [...world.vms, { name: `vm-${world.launched}`, phase: 'preparing', runtimes: ['python'], held: [] }];
    world.launched += 1;
    return;
  }
  const target = world.vms[event.pick % Math.max(1, world.vms.length)];
  if (target === undefined) return;
  if (event.kind === 'kill') world.vms = world.vms.filter((vm) => vm !== target);
  else if (target.phase !== 'preparing') {
    const phase = event.kind === 'drain' ? 'draining' : 'serving';
    world.vms = world.vms.map((vm) => (vm === target ? { ...vm, phase } : vm));
  }
}

/** One round: the plan is carried out as far as `isDone` says for each part of it. */
function advance(world: World, isDone: () => boolean): Rollout {
  const plan = rollout(world.revisions, world.vms, 0);
  const { verdict } = plan;
  if (verdict !== undefined) {
    assert.ok(
      verdict.state === 'failed' || world.health.get(verdict.number) !== 'bad everywhere',
      'a bad one is current',
    );
    world.revisions = world.revisions.map((one) => {
      if (one.number === verdict.number) return { ...one, state: verdict.state };
      return one.state === 'current' && verdict.state === 'current' ? { ...one, state: 'superseded' } : one;
    });
  }
  world.vms = world.vms.map((vm) => {
    const step = plan.steps.find((one) => one.vm === vm.name && isDone());
    const held = stepped(world, vm, step).map((one) => ({ ...one, traffic: trafficAfter(vm, one, plan, isDone) }));
    return { ...vm, held, phase: plan.prepared.includes(vm.name) ? 'serving' : vm.phase };
  });
  return plan;
}

function stepped(world: World, vm: RolloutVm, step: RolloutStep | undefined): HeldRevision[] {
  const held = vm.held.map((one) => {
    if (one.state !== 'starting') return one;
    return { ...one, state: isBad(world, one.number, vm.name) ? ('failed' as const) : ('serving' as const) };
  });
  if (step?.kind === 'remove') {
    const gone = vm.held.find((one) => one.number === step.number);
    assert.ok(gone !== undefined, 'only what is there is removed');
    const isIdle = gone.state !== 'serving' || gone.traffic === 'none' || gone.traffic === 'closed';
    assert.ok(isIdle || vm.phase === 'preparing', 'nothing is removed while requests may be on it');
    return held.filter((one) => one.number !== step.number);
  }
  if (step === undefined) return held;
  assert.ok(
    held.every((one) => one.slot !== step.slot && one.number !== step.number),
    'it starts in a free slot',
  );
  const { number, slot } = step;
  const fresh = { message: '', traceback: '', stateSinceMs: 0, trafficSinceMs: -10_000, retryAtMs: 0, restarts: 0 };
  return [...held, { number, slot, state: 'starting', traffic: 'none', ...fresh }];
}

/** The balancer takes its time to find a server well, and a drain lasts. */
function trafficAfter(vm: RolloutVm, one: HeldRevision, plan: Rollout, isDone: () => boolean): HeldRevision['traffic'] {
  const wish = plan.traffic.find((each) => each.vm === vm.name && each.slot === one.slot && each.number === one.number);
  if (wish === undefined) return 'none';
  if (wish.state === 'draining')
    return one.traffic === 'closed' || (one.traffic === 'closing' && isDone()) ? 'closed' : 'closing';
  if (one.traffic === 'none') return 'opening';
  return one.traffic === 'opening' && !isDone() ? 'opening' : 'open';
}

function isBad(world: World, number: number, vm: string): boolean {
  const health = world.health.get(number);
  return health === 'bad everywhere' || (health === 'bad on even VMs' && Number(vm.slice(3)) % 2 === 0);
}

function isOpen(vm: RolloutVm): boolean {
  return vm.held.some((one) => one.state === 'serving' && one.traffic === 'open');
}
