import type { PoolSettings } from '../../src/domain/pool.ts';
import { type Vm, vmStates } from '../../src/domain/vm.ts';
import { FakeHypervisor } from '../../src/fake/hypervisor.ts';
import { queuedJob } from '../../src/fake/job.ts';
import { busyBootMs } from '../../src/pool/overdue.ts';
import { type ServerOptions, SimServer } from './server.ts';
import { machineSpec, Trouble } from './trouble.ts';
import { poolName, World } from './world.ts';

/** Virtual seconds of trouble. */
const troubleSeconds = 420;
/** After the trouble, everything must be as wanted within this. */
const calmLimitSeconds = 900;

/** A time limit is looked at once a second; a VM that has booted may prepare itself for a minute before it is paused. */
const lateMs = 5_000;
const preparationMs = 60_000;
const mostRuntimes = 3;

/** A cloud in random trouble: load, operators, faults and restarts. What must hold is checked all the time. */
export class Simulation {
  readonly world: World;
  readonly #options: ServerOptions;
  readonly #trouble: Trouble;
  readonly #stranger: FakeHypervisor;
  #server: SimServer | undefined;
  #restartAtMs = 0;
  #jobs = 0;
  /** Things asked of the server in this second. */
  #operations = 0;
  #upSinceMs = 0;
  /** Stays of VMs in a state, with the time at which each was first seen. */
  readonly #stays = new Map<string, number>();
  /** Sizes that were wanted lately, with their times: a step towards one may end later. */
  #wanted: { atMs: number; desired: number }[] = [];
  #inService = 0;

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
    this.#trouble = new Trouble(world, {
      lose: () => this.#server?.hypervisor.loseConnection(),
      restore: () => this.#server?.hypervisor.reconnect(),
    });
  }

  static async make(seed: number): Promise<Simulation> {
    const simulation = new Simulation(await World.make(seed));
    await simulation.#prepare();
    return simulation;
  }

  /** Runs to the end, or to the first violation: returns what it was, and what happened before. */
  async run(): Promise<string | undefined> {
    for (let i = 0; i < troubleSeconds && this.world.violations.length === 0; i += 1) await this.#second(true);
    this.#trouble.end();
    while (this.#server === undefined) await this.#start();
    // Jobs may be left, which a pool of no VMs never ends.
    const { pool } = this.#server;
    await this.#settle(pool.change({ max: Math.max(1, pool.size.settings.max) }), 1);
    await this.#settle(pool.scale(Math.max(1, pool.size.desired), 'the trouble is over'), 1);
    for (let i = 0; i < calmLimitSeconds && this.world.violations.length === 0; i += 1) {
      await this.#second(false);
      if (i % 5 === 0 && (await this.#unfinished()).length === 0) break;
    }
    if (this.world.violations.length === 0) await this.#checkEnd();
    const [first] = this.world.violations;
    const report = first === undefined ? undefined : `${first}\n${await this.world.report()}`;
    this.#server?.kill();
    await this.world.store.close();
    return report;
  }

  /** Machines of somebody else, two of them with names that a VM of ours would have. */
  async #prepare(): Promise<void> {
    for (const name of ['stranger', `${poolName}-0001`, `${poolName}-0004`]) {
      await this.#stranger.create(machineSpec(name, 'stranger'));
    }
    await this.#start();
  }

  async #second(isTrouble: boolean): Promise<void> {
    const { random, clock } = this.world;
    if (isTrouble) {
      await this.#trouble.second();
      await this.#operate();
      if (random.chance(0.3)) await this.#submit();
      await this.#restart();
    }
    for (let left = 1_000; left > 0; ) {
      const ms = Math.min(left, random.int(1, 1_000));
      await clock.advance(ms);
      left -= ms;
      await this.#check();
    }
  }

  async #start(): Promise<void> {
    const server = new SimServer(this.world, this.#options);
    const { clock } = this.world;
    const before = await this.world.store.vms.list();
    // What was being created when the last process ended may never become a machine.
    for (const vm of before) if (vm.state === 'creating') this.world.harmed.set(vm.name, 'its creator was killed');
    let isStarted: boolean | undefined;
    server.start().then(
      () => (isStarted = true),
      (error: unknown) => {
        this.world.log(`the start failed: ${error}`);
        isStarted = false;
      },
    );
    while (isStarted === undefined) await clock.advance(100);
    this.#upSinceMs = clock.uptimeMs();
    if (isStarted) this.#server = server;
    else server.kill();
    this.#restartAtMs = clock.uptimeMs() + 5_000;
  }

  async #restart(): Promise<void> {
    const { random, clock } = this.world;
    if (this.#server === undefined) {
      if (clock.uptimeMs() >= this.#restartAtMs) await this.#start();
      return;
    }
    const isDue = random.chance(0.008);
    const isSoon = this.#operations > 0 && random.chance(0.1);
    this.#operations = 0;
    if (!isDue && !isSoon) return;
    // While what was just asked for is carried out: that is when there is most to be left half done.
    if (isSoon) await clock.advance(random.int(0, 60));
    const server = this.#server;
    this.#server = undefined;
    if (random.chance(0.6)) server.kill();
    else await this.#settle(server.stop(), 60);
    this.#restartAtMs = clock.uptimeMs() + random.int(0, 15_000);
  }

  async #operate(): Promise<void> {
    const { random, otherRandom, store, runtimes } = this.world;
    const pool = this.#server?.pool;
    if (pool === undefined) return;
    if (random.chance(0.05)) {
      this.#operations += 1;
      await this.#settle(pool.scale(random.int(0, 8), 'an operator asks for it'), 1);
      // What comes next may take it back, after a step towards it has begun.
      this.#noteWanted(pool.size.desired);
    }
    if (random.chance(0.01)) await this.#settle(pool.change({ warm: random.int(0, 3) }), 1);
    if (random.chance(0.01)) {
      const min = random.int(0, 3);
      await this.#settle(pool.change({ min, max: min + random.int(0, 5) }), 1);
    }
    if (runtimes.length < mostRuntimes && otherRandom.chance(0.004)) runtimes.push(`runtime-${runtimes.length}`);
    this.#noteWanted(pool.size.desired);
    const vm = random.pick(await store.vms.list());
    if (vm === undefined) return;
    if (random.chance(0.005))
      await this.#settle(
        pool.drainVm(vm.name).catch(() => undefined),
        1,
      );
    if (random.chance(0.005)) {
      this.world.deleted.add(vm.name);
      await this.#settle(pool.deleteVm(vm.name), 1);
    }
  }

  #noteWanted(desired: number): void {
    this.#wanted.push({ atMs: this.world.clock.uptimeMs(), desired });
  }

  async #submit(): Promise<void> {
    const { random, clock, store } = this.world;
    this.#jobs += 1;
    const id = `job-${String(this.#jobs).padStart(5, '0')}`;
    const seconds = random.chance(0.1) ? random.int(10, 60) : random.int(0, 5);
    const scriptBlob = `time.sleep(${seconds})\nprint('done')`;
    const job = queuedJob({ id, createdAtMs: clock.now() });
    await store.jobs.insert({ ...job, spec: { ...job.spec, scriptBlob } });
    this.#server?.changes.notify('queue');
  }

  async #check(): Promise<void> {
    const { world } = this;
    const pool = this.#server?.pool;
    const vms = await world.store.vms.list();
    const nowMs = world.clock.uptimeMs();
    if (pool !== undefined) {
      const { min, max } = pool.size.settings;
      const { desired } = pool.size;
      if (desired < min || desired > max) world.violated(`${desired} VMs are wanted, not ${min} to ${max}`);
      // One more than wanted is in service while VMs that lack a runtime are replaced.
      const surge = vms.some((vm) => vm.state === 'ready' && this.#isOutdated(vm)) ? 1 : 0;
      const wanted = { atMs: nowMs, desired: desired + surge };
      this.#wanted = [...this.#wanted.filter(({ atMs }) => nowMs - atMs < 45_000), wanted];
    }
    await this.#checkStates(vms);
    const inService = vms.filter((vm) => vm.state === 'ready').length;
    const most = Math.max(0, ...this.#wanted.map(({ desired }) => desired));
    if (inService > this.#inService && inService > most) {
      world.violated(`${inService} VMs are in service, and no more than ${most} were wanted`);
    }
    this.#inService = inService;
    const coming = vms.filter(
      ({ name, state }) => state === 'creating' || (state === 'booting' && !world.guests.get(name)?.isUp),
    );
    if (coming.length > this.#options.maxParallelLaunches) world.violated(`${coming.length} VMs are on their way up`);
    for (const machine of await this.#stranger.list()) {
      if (machine.state !== 'running') world.violated(`${machine.name} is not ours and was ${machine.state}`);
    }
    if ((await this.#stranger.list()).length !== 3) world.violated('a machine that is not ours is gone');
  }

  #isOutdated({ runtimes }: Vm): boolean {
    return this.world.runtimes.some((name) => !runtimes.includes(name));
  }

  /** When a stay was first seen; time in which the server was away or stood still is not part of it. */
  #sinceMs(stay: string): number {
    const sinceMs = this.#stays.get(stay) ?? this.world.clock.uptimeMs();
    this.#stays.set(stay, sinceMs);
    return Math.max(sinceMs, this.#upSinceMs, this.world.stoodUntilMs);
  }

  /** No VM stays in a state for longer than it may, and none has jobs in a state in which it takes none. */
  async #checkStates(vms: readonly Vm[]): Promise<void> {
    const { world } = this;
    for (const { name, state, stateSinceMs } of vms) {
      if (state !== 'creating' && state !== 'booting') continue;
      const sinceMs = world.clock.uptimeMs() - this.#sinceMs(`${name} ${state} ${stateSinceMs}`);
      const isUp = world.guests.get(name)?.isUp === true;
      const longestMs = state === 'booting' ? busyBootMs : (vmStates[state].maxMs ?? 0);
      const mostMs = longestMs + lateMs + (isUp ? preparationMs : 0);
      if (this.#server !== undefined && sinceMs > mostMs) world.violated(`${name} has been ${state} for ${sinceMs} ms`);
    }
    for (const { jobId, worker } of await world.store.jobs.holdings()) {
      const state = vms.find((vm) => vm.name === worker)?.state;
      const isAllowed = state !== undefined && ['ready', 'draining', 'stopping', 'failed', 'dead'].includes(state);
      if (!isAllowed) world.violated(`${jobId} is on ${worker}, which is ${state}`);
    }
  }

  /** What is not yet as it must be in the end. */
  async #unfinished(): Promise<string[]> {
    const { store, hands, guests } = this.world;
    const problems: string[] = [];
    const pool = this.#server?.pool;
    if (pool === undefined) return ['the server does not run'];
    const vms = await store.vms.list();
    const count = (state: string): number => vms.filter((vm) => vm.state === state).length;
    const expected = { ready: pool.size.desired, warm: pool.size.settings.warm };
    for (const [state, wanted] of Object.entries(expected)) {
      if (count(state) !== wanted) problems.push(`${count(state)} VMs are ${state}, and ${wanted} should be`);
    }
    if (vms.length !== expected.ready + expected.warm)
      problems.push(`there are ${vms.length} VMs: ${vms.map((vm) => `${vm.name} ${vm.state}`)}`);
    const outdated = vms.filter((vm) => this.#isOutdated(vm)).map(({ name }) => name);
    if (outdated.length > 0) problems.push(`${outdated} lack a runtime`);
    const machines = (await hands.list()).map((machine) => `${machine.name} ${machine.state}`).sort();
    const wanted = vms.map((vm) => `${vm.name} ${vm.state === 'warm' ? 'paused' : 'running'}`);
    if (machines.join() !== wanted.sort().join()) problems.push(`machines are ${machines}; VMs are ${wanted}`);
    if (guests.size !== vms.length) problems.push(`${guests.size} guests are left`);
    const open = (await store.jobs.holdings()).length + (await store.jobs.countQueued());
    if (open > 0) problems.push(`${open} jobs have not ended`);
    return problems;
  }

  async #checkJobs(): Promise<void> {
    for (let i = 1; i <= this.#jobs; i += 1) {
      const id = `job-${String(i).padStart(5, '0')}`;
      const job = await this.world.store.jobs.get(id);
      if (job?.state !== 'succeeded') this.world.violated(`${id} is ${job?.state}: ${job?.result?.message}`);
    }
  }

  async #checkEnd(): Promise<void> {
    for (const what of await this.#unfinished()) this.world.violated(`after the trouble: ${what}`);
    await this.#checkJobs();
    if (this.#server !== undefined) await this.#settle(this.#server.stop(), 60);
  }

  /** Lets time go on until the work is done. */
  async #settle(work: Promise<void>, limitSeconds: number): Promise<void> {
    const { clock } = this.world;
    let isDone = false;
    void work.then(() => {
      isDone = true;
    });
    const endMs = clock.uptimeMs() + limitSeconds * 1_000;
    while (!isDone && clock.uptimeMs() < endMs) await clock.advance(5);
    if (!isDone) this.world.violated(`the server did not answer within ${limitSeconds} s`);
  }
}
