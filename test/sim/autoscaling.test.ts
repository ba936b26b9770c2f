import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Autoscaler } from '../../src/autoscaler/live.ts';
import { readsLoads } from '../../src/autoscaler/note.ts';
import { snapshotOf } from '../../src/autoscaler/observe.ts';
import { plan } from '../../src/autoscaler/plan.ts';
import { policiesNamed, presets } from '../../src/autoscaler/presets.ts';
import { windowOf } from '../../src/autoscaler/window.ts';
import type { PoolSettings } from '../../src/domain/pool.ts';
import { Sampler } from '../../src/metrics/sampler.ts';
import { jobsWorkload } from '../../src/pool/workload.ts';
import { type Loop, startLoop } from '../../src/reconcile/loop.ts';
import { SimServer } from './server.ts';
import { poolName, World } from './world.ts';

const vms = 6;
/** CPU that all VMs together use, in VMs' worth. */
const load = 4.5;

/** A control plane with an autoscaler and samples, which can be stopped, killed and started again. */
class ScaledServer {
  readonly server: SimServer;
  readonly #world: World;
  readonly #autoscaler: Autoscaler;
  #sampling: Loop | undefined;
  readonly #sampler: Sampler;

  constructor(world: World, policy: string) {
    const settings: PoolSettings = { min: 1, max: 12, warm: 0, paused: false, policies: [policy] };
    const server = new SimServer(world, { settings, maxParallelLaunches: 4, minLifetimeMs: 0 });
    const { clock, store } = world;
    const { pool } = server;
    this.server = server;
    this.#world = world;
    this.#sampler = new Sampler(server.hypervisor, clock);
    this.#autoscaler = new Autoscaler({
      clock,
      notes: {
        read: () => store.pools.note(poolName, 'planner'),
        write: (note) => store.pools.putNote(poolName, 'planner', note),
      },
      plan: (snapshot, names, nowMs) => plan(snapshot, policiesNamed(names), nowMs),
      readsLoads: (names) => readsLoads(policiesNamed(names)),
      policyNames: [policy],
      emit: async () => undefined,
      log: (line) => world.log(line),
      pool: {
        name: poolName,
        settings: () => pool.size.settings,
        scale: (desired, why) => pool.scale(desired, why),
        observe: async () => {
          const held = await store.jobs.holdingsByWorker();
          const all = await store.vms.list();
          const backlog = { waiting: 0, perVm: 1, meanMs: null };
          const { desired } = pool.size;
          const windowMs = windowOf(policiesNamed([policy]));
          const own = { pool: poolName, settings: pool.size.settings, desired, vms: all, bootMs: pool.bootMs, backlog };
          const inFlight = (vm: (typeof all)[number]) => jobsWorkload.inFlight(vm, held.get(vm.name) ?? []) + 1;
          return snapshotOf(
            { ...own, windowMs, inFlight, usages: (vm, sinceMs) => this.#sampler.usages(vm, sinceMs) },
            clock.now(),
          );
        },
      },
    });
  }

  /** @param desired number of VMs that the pool is given before its autoscaler looks; as it was unless given */
  async start(desired?: number): Promise<void> {
    await this.#settle(this.server.start());
    if (desired !== undefined) await this.#settle(this.server.pool.scale(desired, 'the test begins'));
    const { clock } = this.#world;
    const step = (): Promise<void> => this.#sampler.sample();
    this.#sampling = startLoop({ name: 'sampling', clock, periodMs: 1_000, step, onError: assert.fail });
    this.#autoscaler.start();
  }

  async stop(isKilled: boolean): Promise<void> {
    const note = await this.#world.store.pools.note(poolName, 'planner');
    await this.#settle(Promise.all([this.#autoscaler.stop(), this.#sampling?.stop()]));
    if (!isKilled) return this.#settle(this.server.stop());
    this.server.kill();
    if (note !== undefined) await this.#world.store.pools.putNote(poolName, 'planner', note);
  }

  async #settle(work: Promise<unknown>): Promise<void> {
    let isDone = false;
    void work.then(() => (isDone = true));
    while (!isDone) await this.#world.clock.advance(50);
  }
}

for (const { name: policy } of presets) {
  test(`${policy}: with a steady load no restart shrinks the pool`, async () => {
    const world = await World.make(7);
    let cloud = new ScaledServer(world, policy);
    await cloud.start(vms);
    // The pool's VMs share the load, as those of a service do.
    const second = async (): Promise<void> => {
      const ready = (await world.store.vms.list()).filter((vm) => vm.state === 'ready');
      for (const vm of ready) world.hands.setLoad(vm.name, Math.min(1, load / ready.length));
      await world.clock.advance(1_000);
    };
    for (let i = 0; i < 400; i += 1) await second();
    const { desired } = cloud.server.pool.size;
    assert.ok(desired >= 5, `${policy} settled at ${desired}`);
    for (const [awayMs, isKilled] of [
      [0, false],
      [2_000, true],
      [120_000, false],
      [900_000, true],
    ] as const) {
      await cloud.stop(isKilled);
      await world.clock.advance(awayMs);
      cloud = new ScaledServer(world, policy);
      await cloud.start();
      for (let i = 0; i < 45; i += 1) {
        await second();
        const now = cloud.server.pool.size.desired;
        assert.ok(now >= desired, `${policy}: away for ${awayMs} ms, then ${now} of ${desired} VMs after ${i} s`);
        const drained = (await world.store.vms.list()).filter(
          (vm) => vm.state === 'draining' || vm.state === 'stopping',
        );
        assert.deepEqual(drained, []);
      }
    }
    await cloud.stop(false);
    await world.store.close();
  });
}
