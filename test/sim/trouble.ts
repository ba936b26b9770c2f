import { TidepoolError } from '../../src/domain/errors.ts';
import type { MachineSpec } from '../../src/domain/hypervisor.ts';
import type { CallFault, HypervisorCall } from '../../src/fake/call-fault.ts';
import { flavor, type Guest, poolName, type World } from './world.ts';

/** How likely each kind of trouble is in a second, or in a call; the run's seed chooses how rough it is. */
interface Weather {
  readonly machines: number;
  readonly silences: number;
  readonly sickness: number;
  readonly calls: number;
  /** Share of the calls which end machines that last. */
  readonly slowEnds: number;
  /** Share of answers about machines that are old when they come. */
  readonly oldAnswers: number;
  readonly statistics: number;
  readonly events: number;
  readonly boots: number;
  readonly connection: number;
  readonly clock: number;
  readonly standstills: number;
  readonly dataDisk: number;
  readonly database: number;
  readonly hostDisk: number;
  readonly launches: number;
  readonly agents: number;
}

/** Silence that a sound guest may keep at any time: less than its heartbeats and its resumption allow. */
const harmlessSilenceMs = 9_000;
/** Between two such, so that it is heard in between. */
const heardMs = 3_000;

/** A trouble that lasts for a while. */
class Spell {
  #untilMs = 0;

  begin(nowMs: number, forMs: number): void {
    this.#untilMs = nowMs + forMs;
  }

  end(): void {
    this.#untilMs = 0;
  }

  lasts(nowMs: number): boolean {
    return nowMs < this.#untilMs;
  }
}

/** Random trouble of hosts, guests, disks and wires. What may make a VM fail is noted as harm. */
export class Trouble {
  readonly #world: World;
  readonly #weather: Weather;
  readonly #connection: { lose(): void; restore(): void };
  readonly #dataDisk = new Spell();
  readonly #hostDisk = new Spell();
  readonly #launches = new Spell();
  #lostUntilMs = 0;
  #strangers = 0;

  constructor(world: World, connection: { lose(): void; restore(): void }) {
    const { random } = world;
    const some = (most: number): number => (random.chance(0.3) ? 0 : random.next() * most);
    this.#world = world;
    this.#connection = connection;
    this.#weather = {
      machines: some(0.05),
      silences: some(0.1),
      sickness: some(0.01),
      calls: some(0.08),
      slowEnds: random.chance(0.3) ? 0 : 0.3 + 0.7 * random.next(),
      oldAnswers: some(0.8),
      statistics: random.chance(0.3) ? 0 : random.next(),
      events: some(0.6),
      boots: some(0.2),
      connection: some(0.01),
      clock: some(0.01),
      standstills: some(0.01),
      dataDisk: some(0.01),
      database: some(0.01),
      hostDisk: some(0.01),
      launches: some(0.01),
      agents: some(0.05),
    };
    world.hypervisorFault = (call, name) => this.#callFault(call, name);
    world.delivery = () => (random.chance(this.#weather.events) ? random.pick([undefined, 500, 20_000]) : 0);
    world.bootMs = () => this.#bootMs();
    world.writeFault = () => this.#storeFault(true);
    world.readFault = () => this.#storeFault(false);
    world.agentTrouble = (call, { keyId }) => {
      if (!random.chance(this.#weather.agents)) return undefined;
      const guest = [...world.guests].find(([, one]) => one.address.keyId === keyId);
      if (call === 'setClock' && guest !== undefined) world.harm(guest[0], 'its clock cannot be set');
      world.count('calls to agents that failed');
      return random.pick(['unavailable', 'timeout'] as const);
    };
  }

  /** A second's worth of it. */
  async second(): Promise<void> {
    const { random, clock, store } = this.#world;
    const weather = this.#weather;
    if (random.chance(weather.clock)) this.#setClock();
    const isComing = (await store.vms.list()).some(({ state }) => state === 'creating' || state === 'booting');
    if (random.chance(weather.standstills * (isComing ? 3 : 1))) this.#standStill();
    if (random.chance(weather.machines)) await this.#harmMachine();
    if (random.chance(weather.silences)) this.#beSilent();
    if (random.chance(weather.sickness)) this.#sicken();
    if (random.chance(weather.dataDisk)) this.#fillDataDisk();
    if (random.chance(weather.launches)) this.#refuseLaunches();
    if (random.chance(weather.hostDisk)) this.#hostDisk.begin(clock.uptimeMs(), random.int(1_000, 60_000));
    await this.#lookAtHostDisk();
    if (this.#lostUntilMs === 0 && random.chance(weather.connection)) {
      this.#lostUntilMs = clock.uptimeMs() + random.int(500, 40_000);
      this.#world.count('connections lost');
      this.#connection.lose();
    }
    if (this.#lostUntilMs !== 0) this.#stayLost();
    if (random.chance(0.005)) await this.#leaveMachine();
  }

  /** No more trouble; what it has done stays done. */
  end(): void {
    const world = this.#world;
    world.hypervisorFault = () => undefined;
    world.delivery = () => 0;
    world.bootMs = () => 3_000;
    world.writeFault = () => undefined;
    world.readFault = () => undefined;
    world.agentTrouble = () => undefined;
    world.host.diskFreeBytes = roomyBytes;
    if (this.#lostUntilMs !== 0) this.#connection.restore();
    this.#lostUntilMs = 0;
  }

  /** Somebody sets the clock, or NTP does. */
  #setClock(): void {
    const { random, clock } = this.#world;
    const ms = random.int(-7_200_000, 7_200_000);
    this.#happens('clock set', `by ${ms} ms`);
    clock.jump(ms);
  }

  /** The process is stopped, or the host sleeps: nothing runs, then everything is late. */
  #standStill(): void {
    const { random, clock } = this.#world;
    const ms = random.pick([2_000, 20_000, 400_000]) ?? 2_000;
    this.#happens('standstill', `of ${ms} ms`);
    clock.freeze(ms);
    this.#world.stoodUntilMs = clock.uptimeMs();
  }

  /** The disk of the data folder is full: nothing can be written, neither rows nor output. */
  #fillDataDisk(): void {
    const { random, clock } = this.#world;
    const forMs = random.int(1_000, 40_000);
    this.#happens('data disk full', `for ${forMs} ms`);
    this.#dataDisk.begin(clock.uptimeMs(), forMs);
    this.#world.dataDiskFullUntilMs = Math.max(this.#world.dataDiskFullUntilMs, clock.uptimeMs() + forMs);
  }

  #storeFault(isWrite: boolean): TidepoolError | undefined {
    const { random, clock } = this.#world;
    if (isWrite && this.#dataDisk.lasts(clock.uptimeMs())) return new TidepoolError('exhausted', 'the disk is full');
    return random.chance(this.#weather.database) ? new TidepoolError('internal', 'disk I/O error') : undefined;
  }

  #refuseLaunches(): void {
    const { random, clock } = this.#world;
    this.#happens('launches refused', '');
    this.#launches.begin(clock.uptimeMs(), random.int(10_000, 90_000));
  }

  /** While the host's disk is full, guests that write are paused. Each goes on when there is room. */
  async #lookAtHostDisk(): Promise<void> {
    const { random, clock, host, hands, store } = this.#world;
    const isFull = this.#hostDisk.lasts(clock.uptimeMs());
    host.diskFreeBytes = isFull ? 0 : roomyBytes;
    if (!isFull || !random.chance(0.3)) return;
    const vm = random.pick((await store.vms.list()).filter(({ state }) => state === 'ready'));
    if (vm === undefined || host.machines.get(vm.name)?.state !== 'running') return;
    this.#happens('guest stands', vm.name);
    hands.pauseByError(vm.name);
  }

  #stayLost(): void {
    const { clock } = this.#world;
    // A call that was under way may fail as late as this.
    this.#world.excusedUntilMs = clock.uptimeMs() + 60_000;
    if (clock.uptimeMs() < this.#lostUntilMs) return;
    this.#lostUntilMs = 0;
    this.#connection.restore();
  }

  async #harmMachine(): Promise<void> {
    const { random, hands, guests, store } = this.#world;
    const machines = await hands.list();
    // Most of it where it matters: on machines that work.
    const working = await store.jobs.holdingsByWorker();
    const busy = machines.filter((one) => working.has(one.name));
    const machine = random.pick(busy.length > 0 && random.chance(0.6) ? busy : machines);
    if (machine === undefined) return;
    const { name, state } = machine;
    const guest = guests.get(name);
    const harms: Record<string, () => unknown> = {
      crash: () => hands.crash(name),
      destroy: () => hands.stopByHand(name),
      vanish: () => hands.vanish(name),
      pause: () => state === 'running' && hands.suspend(name),
      resume: () => state === 'paused' && hands.resume(name),
      hang: () => this.#silence(guest, Number.POSITIVE_INFINITY, true),
      silence: () => this.#silence(guest, random.int(100, 40_000), random.chance(0.5)),
      shutdown: () => state === 'running' && hands.shutdown(name),
    };
    // A guest that goes on with its work while nothing is heard of it is the hardest to be right about.
    const kind = random.chance(0.4)
      ? (random.pick(['hang', 'silence']) ?? 'hang')
      : (random.pick(Object.keys(harms)) ?? 'crash');
    if ((kind === 'hang' || kind === 'silence') && guest === undefined) return;
    this.#world.harm(name, kind);
    await harms[kind]?.();
  }

  /** A sound guest has much to do, and its agent answers late: that is no reason to give it up. */
  #beSilent(): void {
    const { random, clock, guests } = this.#world;
    const guest = random.pick([...guests.values()]);
    if (guest === undefined || clock.uptimeMs() < guest.silentUntilMs + heardMs) return;
    this.#world.count('silences of sound guests');
    this.#silence(guest, random.int(100, harmlessSilenceMs), false);
  }

  #silence(guest: Guest | undefined, forMs: number, isHung: boolean): void {
    if (guest === undefined) return;
    guest.silentUntilMs = this.#world.clock.uptimeMs() + forMs;
    guest.isHung = isHung;
    // Who follows an attempt there notices the silence only when the connection breaks.
    if (this.#world.random.chance(0.7)) this.#world.agents.disconnect(guest.address);
  }

  /** A VM whose agent answers, and cannot run what it is given. */
  #sicken(): void {
    const { random, guests } = this.#world;
    const [name, guest] = random.pick([...guests]) ?? [];
    if (name === undefined || guest?.agent === undefined) return;
    const kind = random.pick(['refuses', 'babbles', 'restarts'] as const) ?? 'refuses';
    this.#world.harm(name, `sick: ${kind}`);
    if (kind === 'restarts') guest.agent.restart();
    else guest.sickness = kind;
  }

  /** Statistics that fail or are late harm no machine: no sample is no evidence. */
  #statisticsFault(): CallFault | undefined {
    const { random } = this.#world;
    if (!random.chance(this.#weather.statistics)) return undefined;
    this.#world.count('statistics failed or late');
    const waitMs = random.int(0, 20_000);
    return random.chance(0.5) ? { waitMs } : { waitMs, error: new TidepoolError('timeout', 'no statistics') };
  }

  #callFault(call: HypervisorCall, name: string): CallFault | undefined {
    if (call === 'stats') return this.#statisticsFault();
    const { random, clock } = this.#world;
    if (call === 'create' && this.#launches.lasts(clock.uptimeMs())) {
      this.#world.harm(name, 'launches are refused');
      return { error: new TidepoolError('upstream', 'there is no network of that name') };
    }
    if (random.chance(this.#weather.calls)) return this.#badCall(call, name);
    if (call === 'remove' && random.chance(this.#weather.slowEnds)) {
      this.#world.count('ends of machines that last');
      return { waitMs: random.int(500, 29_000) };
    }
    if ((call === 'list' || call === 'get') && random.chance(this.#weather.oldAnswers)) {
      this.#world.count('old answers');
      if (call === 'get' && this.#world.stands(name)) this.#world.harm(name, 'get is late');
      return { answerMs: random.int(100, random.chance(0.3) ? 25_000 : 3_000) };
    }
    return undefined;
  }

  #badCall(call: HypervisorCall, name: string): CallFault {
    const { random } = this.#world;
    const isLook = call === 'list' || call === 'get' || call === 'room';
    const isHarm = !isLook && call !== 'remove';
    if (isHarm || (call === 'get' && this.#world.stands(name))) this.#world.harm(name, `${call} goes wrong`);
    else this.#world.count(`${call} goes wrong`);
    const code = random.pick(['unavailable', 'timeout', 'exhausted', 'upstream'] as const) ?? 'timeout';
    const error = new TidepoolError(code, `${call} was made to fail`);
    const waitMs = random.chance(0.5) ? 0 : random.int(100, random.chance(0.3) ? 200_000 : 5_000);
    const kind = random.pick(['late', 'refused', 'answer lost', 'answer late']);
    if (kind === 'late') return { waitMs };
    if (kind === 'refused') return { waitMs, error };
    return kind === 'answer lost' ? { answerMs: waitMs, answerError: error } : { answerMs: waitMs };
  }

  /** Guests that boot never, or too late, fail. */
  #bootMs(): number {
    const { random } = this.#world;
    if (!random.chance(this.#weather.boots)) return random.int(1_000, 8_000);
    return random.int(10_000, 200_000);
  }

  /** A machine that an earlier process left behind. */
  async #leaveMachine(): Promise<void> {
    this.#strangers += 1;
    const name = `${poolName}-${String(this.#world.random.int(0, 12)).padStart(4, '0')}`;
    if (this.#world.host.machines.has(name)) return;
    if ((await this.#world.store.vms.get(name)) !== undefined) return;
    this.#happens('leftover', name);
    await this.#world.hands.create(machineSpec(name, `left-${this.#strangers}`));
  }

  #happens(kind: string, detail: string): void {
    this.#world.count(kind);
    this.#world.log(`${kind.toUpperCase()} ${detail}`);
  }
}

const roomyBytes = 1024 ** 4;

export function machineSpec(name: string, keyId: string): MachineSpec {
  return {
    name,
    tags: { pool: poolName, role: 'worker', imageId: 'image', keyId, createdAtMs: 0 },
    flavor,
    accelerator: 'tcg',
    boot: { kernelPath: '/kernel', initrdPath: '/initrd', commandLine: '' },
    imagePath: '/disk',
    sharedDisks: [],
    network: { kind: 'user' },
    ports: [{ name: 'agent', protocol: 'tcp', guestPort: 1 }],
    secrets: {},
  };
}
