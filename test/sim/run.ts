import type { PoolSettings } from '../../src/domain/pool.ts';
import { FakeHypervisor } from '../../src/fake/hypervisor.ts';
import type { PoolController } from '../../src/pool/controller.ts';
import { Checks, type Running } from './checks.ts';
import { image } from './parts.ts';
import { type ServerOptions, SimServer } from './server.ts';
import { machineSpec, Trouble } from './trouble.ts';
import { Work } from './work.ts';
import { poolName, World } from './world.ts';

/** Virtual seconds of trouble. */
const troubleSeconds = 300;
/** After the trouble, everything must be as wanted within this. */
const calmLimitSeconds = 900;
const calmVms = 4;
/** A server that ends waits for its calls to agents and hypervisor, one part after the other. */
const stopLimitSeconds = 120;
const mostRuntimes = 3;
/** Machines of somebody else, two of them with names that a VM of ours would have. */
const strangers = ['stranger', `${poolName}-0001`, `${poolName}-0004`];

/** What became of one run. */
export interface Played {
  /** What went wrong first, and what happened before; undefined when nothing did. */
  readonly problem: string | undefined;
  readonly virtualMs: number;
  /** How often each kind of thing happened. */
  readonly counts: ReadonlyMap<string, number>;
}

/** A cloud in random trouble: load, operators, faults, restarts and upgrades. What must hold is checked all the time. */
export class Simulation {
  readonly world: World;
  readonly #options: ServerOptions;
  readonly #trouble: Trouble;
  readonly #work: Work;
  readonly #checks: Checks;
  readonly #stranger: FakeHypervisor;
  #imageId = image.id;
  #running: Running | undefined;
  /** That of the last server, which may be on its way to its end. */
  #pool: PoolController | undefined;
  #restartAtMs = 0;
  /** Things asked of the server in this second. */
  #operations = 0;

  private constructor(world: World) {
    const { random } = world;
    this.world = world;
    const min = random.int(0, 2);
    const settings: PoolSettings = {
      min,
      max: min + random.int(1, 5),
      warm: random.int(0, 2),
      paused: false,
      policies: [],
    };
    const minLifetimeMs = random.pick([0, 5_000, 60_000]) ?? 0;
    this.#options = { settings, maxParallelLaunches: random.int(1, 3), minLifetimeMs };
    this.#stranger = new FakeHypervisor({ clock: world.clock, host: world.host, installationId: 'stranger' });
    this.#checks = new Checks(world, this.#stranger, strangers.length, () => this.#pool?.size.desired ?? 0);
    this.#work = new Work(world);
    this.#trouble = new Trouble(world, {
      lose: () => this.#running?.server.hypervisor.loseConnection(),
      restore: () => this.#running?.server.hypervisor.reconnect(),
    });
  }

  static async make(seed: number): Promise<Simulation> {
    const simulation = new Simulation(await World.make(seed));
    for (const name of strangers) await simulation.#stranger.create(machineSpec(name, 'stranger'));
    await simulation.#start();
    return simulation;
  }

  /** Runs to the end, or to the first violation. */
  async run(): Promise<Played> {
    const { world } = this;
    const startMs = world.clock.uptimeMs();
    for (let i = 0; i < troubleSeconds && world.violations.length === 0; i += 1) await this.#second(true);
    this.#trouble.end();
    if (world.violations.length === 0) await this.#calmDown();
    if (world.violations.length === 0) await this.#checkEnd();
    const [first] = world.violations;
    const problem = first === undefined ? undefined : `${first}\n${await world.report()}`;
    this.#running?.server.kill();
    await world.store.close();
    return { problem, virtualMs: world.clock.uptimeMs() - startMs, counts: world.counts };
  }

  async #calmDown(): Promise<void> {
    const { world } = this;
    while (this.#running === undefined) await this.#start();
    // Jobs may be left, for which a small pool would need long.
    const { pool } = this.#running.server;
    await this.#settle(pool.change({ max: Math.max(calmVms, pool.size.settings.max) }), 1);
    await this.#settle(pool.scale(Math.max(calmVms, pool.size.desired), 'the trouble is over'), 1);
    for (let i = 0; i < calmLimitSeconds && world.violations.length === 0; i += 1) {
      await this.#second(false);
      if (i % 5 === 0 && (await this.#unfinished()).length === 0) return;
    }
  }

  async #second(isTrouble: boolean): Promise<void> {
    const { random, clock } = this.world;
    if (isTrouble) {
      await this.#trouble.second();
      await this.#operate();
      await this.#work.second(this.#running?.server.changes);
      await this.#restart();
    }
    for (let left = 1_000; left > 0; ) {
      const ms = isTrouble ? Math.min(left, random.int(1, 1_000)) : left;
      await clock.advance(ms);
      left -= ms;
      await this.#checks.look(this.#running);
    }
    this.#checks.checkTrust();
    await this.#checks.checkStrangers();
  }

  async #start(): Promise<void> {
    const { clock, random, store, harmed } = this.world;
    if (this.#restartAtMs > 0 && random.chance(0.2)) await this.#upgrade();
    const server = new SimServer(this.world, { ...this.#options, imageId: this.#imageId });
    this.#pool = server.pool;
    // What was being created when the last process ended may never become a machine.
    for (const vm of await store.vms.list()) if (vm.state === 'creating') harmed.set(vm.name, 'its creator was killed');
    let isStarted: boolean | undefined;
    server.start().then(
      () => (isStarted = true),
      (error: unknown) => {
        this.world.log(`the start failed: ${error}`);
        isStarted = false;
      },
    );
    while (isStarted === undefined) await clock.advance(100);
    const { maxParallelLaunches } = this.#options;
    const running = { server, upSinceMs: clock.uptimeMs(), imageId: this.#imageId, maxParallelLaunches };
    if (isStarted) this.#running = running;
    else server.kill();
    this.world.count('starts');
    for (const guest of this.world.guests.values()) guest.refusals = 0;
    this.#restartAtMs = clock.uptimeMs() + 5_000;
  }

  /** The next server is of another version, whatever the last one was in the middle of. */
  async #upgrade(): Promise<void> {
    const kind = this.world.random.pick(['image', 'protocol', 'both'] as const) ?? 'image';
    this.world.count(`upgrades of ${kind}`);
    this.world.log(`UPGRADE of ${kind}`);
    if (kind !== 'image') await this.world.upgradeProtocol();
    if (kind !== 'protocol') this.#imageId = `${image.id}-${(this.world.counts.get('starts') ?? 0) + 1}`;
  }

  async #restart(): Promise<void> {
    const { random, clock } = this.world;
    if (this.#running === undefined) {
      if (clock.uptimeMs() >= this.#restartAtMs) await this.#start();
      return;
    }
    const isDue = random.chance(0.008);
    const isSoon = this.#operations > 0 && random.chance(0.1);
    this.#operations = 0;
    if (!isDue && !isSoon) return;
    // While what was just asked for is carried out: that is when there is most to be left half done.
    if (isSoon) await clock.advance(random.int(0, 60));
    const { server } = this.#running;
    this.#running = undefined;
    if (random.chance(0.6)) {
      this.world.count('kills');
      server.kill();
    } else {
      await this.#settle(server.stop(), stopLimitSeconds);
      // Nobody looked meanwhile, and the pool is steered until the jobs have been let go: a VM may have got its successor.
      this.#checks.noteWanted(server.pool.size.desired, 1);
    }
    this.#restartAtMs = clock.uptimeMs() + random.int(0, 15_000);
  }

  async #operate(): Promise<void> {
    const { random, store, runtimes } = this.world;
    const pool = this.#running?.server.pool;
    if (pool === undefined) return;
    if (random.chance(0.05)) {
      this.#operations += 1;
      await this.#settle(pool.scale(random.int(0, 8), 'an operator asks for it'), 1);
      // What comes next may take it back, after a step towards it has begun.
      this.#checks.noteWanted(pool.size.desired);
    }
    if (random.chance(0.01)) await this.#settle(pool.change({ warm: random.int(0, 3) }), 1);
    if (random.chance(0.01)) {
      const min = random.int(0, 3);
      await this.#settle(pool.change({ min, max: min + random.int(0, 5) }), 1);
    }
    if (runtimes.length < mostRuntimes && random.chance(0.004)) runtimes.push(`runtime-${runtimes.length}`);
    this.#checks.noteWanted(pool.size.desired);
    const vm = random.pick(await store.vms.ofPool(poolName));
    if (vm === undefined) return;
    if (random.chance(0.005)) await this.#settle(pool.drainVm(vm.name), 1);
    if (random.chance(0.005)) {
      this.world.deleted.add(vm.name);
      await this.#settle(pool.deleteVm(vm.name), 1);
    }
  }

  /** What is not yet as it must be in the end. */
  async #unfinished(): Promise<string[]> {
    const { store, hands, guests } = this.world;
    const problems: string[] = [];
    const running = this.#running;
    if (running === undefined) return ['the server does not run'];
    const { size } = running.server.pool;
    const vms = await store.vms.ofPool(poolName);
    const count = (state: string): number => vms.filter((vm) => vm.state === state).length;
    const expected = { ready: size.desired, warm: size.settings.warm };
    for (const [state, wanted] of Object.entries(expected)) {
      if (count(state) !== wanted) problems.push(`${count(state)} VMs are ${state}, and ${wanted} should be`);
    }
    if (vms.length !== expected.ready + expected.warm)
      problems.push(`there are ${vms.length} VMs: ${vms.map((vm) => `${vm.name} ${vm.state}`)}`);
    const outdated = vms.filter((vm) => this.#checks.isOutdated(vm, running)).map(({ name }) => name);
    if (outdated.length > 0) problems.push(`${outdated} are outdated`);
    const machines = (await hands.list()).map((machine) => `${machine.name} ${machine.state}`).sort();
    const wanted = vms.map((vm) => `${vm.name} ${vm.state === 'warm' ? 'paused' : 'running'}`);
    if (machines.join() !== wanted.sort().join()) problems.push(`machines are ${machines}; VMs are ${wanted}`);
    if (guests.size !== vms.length) problems.push(`${guests.size} guests are left`);
    const open = (await store.jobs.holdings()).length + (await store.jobs.countQueued());
    if (open > 0) problems.push(`${open} jobs have not ended`);
    return problems;
  }

  async #checkEnd(): Promise<void> {
    for (const what of await this.#unfinished()) this.world.violated(`after the trouble: ${what}`);
    await this.#work.check();
    if (this.#running !== undefined) await this.#settle(this.#running.server.stop(), stopLimitSeconds);
  }

  /** Lets time go on until the work is done, or was refused. */
  async #settle(work: Promise<void>, limitSeconds: number): Promise<void> {
    const { clock } = this.world;
    let isDone = false;
    const done = (): void => {
      isDone = true;
    };
    work.then(done, (error: unknown) => {
      this.world.log(`refused: ${error}`);
      done();
    });
    const endMs = clock.uptimeMs() + limitSeconds * 1_000;
    while (!isDone && clock.uptimeMs() < endMs) await clock.advance(5);
    if (!isDone) this.world.violated(`the server did not answer within ${limitSeconds} s`);
  }
}
