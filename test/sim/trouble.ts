import { TidepoolError } from '../../src/domain/errors.ts';
import type { MachineSpec } from '../../src/domain/hypervisor.ts';
import type { CallFault, HypervisorCall } from '../../src/fake/hypervisor.ts';
import { flavor, poolName, type World } from './world.ts';

/** How likely each kind of trouble is in a second; the run's seed chooses how rough it is. */
interface Weather {
  readonly machines: number;
  readonly calls: number;
  readonly statistics: number;
  readonly events: number;
  readonly boots: number;
  readonly connection: number;
}

/** Random trouble of hosts, guests and wires. What may make a VM fail is noted as harm. */
export class Trouble {
  readonly #world: World;
  readonly #weather: Weather;
  readonly #connection: { lose(): void; restore(): void };
  readonly #clockTrouble: number;
  #lostUntilMs = 0;
  #strangers = 0;

  constructor(world: World, connection: { lose(): void; restore(): void }) {
    const { random } = world;
    const some = (most: number): number => (random.chance(0.3) ? 0 : random.next() * most);
    this.#world = world;
    this.#connection = connection;
    this.#weather = {
      machines: some(0.06),
      calls: some(0.08),
      statistics: world.otherRandom.chance(0.5) ? 0 : world.otherRandom.next() * 0.5,
      events: some(0.6),
      boots: some(0.2),
      connection: some(0.01),
    };
    this.#clockTrouble = world.otherRandom.chance(0.3) ? 0 : world.otherRandom.next() * 0.01;
    world.hypervisorFault = (call, name) => this.#callFault(call, name);
    world.delivery = () => (random.chance(this.#weather.events) ? random.pick([undefined, 500, 20_000]) : 0);
    world.bootMs = () => this.#bootMs();
  }

  /** A second's worth of it. */
  async second(): Promise<void> {
    const { random, otherRandom, clock } = this.#world;
    if (otherRandom.chance(this.#clockTrouble)) this.#setClock();
    if (otherRandom.chance(this.#clockTrouble)) this.#standStill();
    if (random.chance(this.#weather.machines)) await this.#harmMachine();
    if (this.#lostUntilMs === 0 && random.chance(this.#weather.connection)) {
      this.#lostUntilMs = clock.uptimeMs() + random.int(500, 40_000);
      this.#connection.lose();
    }
    if (this.#lostUntilMs !== 0) this.#stayLost();
    if (random.chance(0.005)) await this.#leaveMachine();
  }

  /** No more trouble; what it has done stays done. */
  end(): void {
    this.#world.hypervisorFault = () => undefined;
    this.#world.delivery = () => 0;
    this.#world.bootMs = () => 3_000;
    if (this.#lostUntilMs !== 0) this.#connection.restore();
    this.#lostUntilMs = 0;
  }

  /** Somebody sets the clock, or NTP does. */
  #setClock(): void {
    const { otherRandom, clock } = this.#world;
    const ms = otherRandom.int(-7_200_000, 7_200_000);
    this.#world.log(`CLOCK is set by ${ms} ms`);
    clock.jump(ms);
  }

  /** The process is stopped, or the host sleeps: nothing runs, then everything is late. */
  #standStill(): void {
    const { otherRandom, clock } = this.#world;
    const ms = otherRandom.pick([2_000, 20_000, 400_000]) ?? 2_000;
    this.#world.log(`STANDSTILL of ${ms} ms`);
    clock.freeze(ms);
    this.#world.stoodUntilMs = clock.uptimeMs();
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
    const { random, hands, guests } = this.#world;
    const machine = random.pick(await hands.list());
    if (machine === undefined) return;
    const { name, state } = machine;
    const guest = guests.get(name);
    const harms: Record<string, () => unknown> = {
      crash: () => hands.crash(name),
      destroy: () => hands.stopByHand(name),
      vanish: () => hands.vanish(name),
      pause: () => state === 'running' && hands.suspend(name),
      resume: () => state === 'paused' && hands.resume(name),
      hang: () => this.#silence(name, Number.POSITIVE_INFINITY, true),
      silence: () => this.#silence(name, random.int(100, 40_000), random.chance(0.5)),
      shutdown: () => state === 'running' && hands.shutdown(name),
    };
    const kind = random.pick(Object.keys(harms)) ?? 'crash';
    if ((kind === 'hang' || kind === 'silence') && guest === undefined) return;
    this.#world.harm(name, kind);
    await harms[kind]?.();
  }

  #silence(name: string, forMs: number, isHung: boolean): void {
    const guest = this.#world.guests.get(name);
    if (guest === undefined) return;
    guest.silentUntilMs = this.#world.clock.uptimeMs() + forMs;
    guest.isHung = isHung;
    // Who follows an attempt there notices the silence only when the connection breaks.
    if (this.#world.otherRandom.chance(0.7)) this.#world.agents.disconnect(guest.address);
  }

  /** Statistics that fail or are late harm no machine: no sample is no evidence. */
  #statisticsFault(): CallFault | undefined {
    const { otherRandom: random } = this.#world;
    if (!random.chance(this.#weather.statistics)) return undefined;
    const waitMs = random.int(0, 20_000);
    return random.chance(0.5) ? { waitMs } : { waitMs, error: new TidepoolError('timeout', 'no statistics') };
  }

  #callFault(call: HypervisorCall, name: string): CallFault | undefined {
    if (call === 'stats') return this.#statisticsFault();
    const { random } = this.#world;
    if (!random.chance(this.#weather.calls)) return undefined;
    if (call !== 'list' && call !== 'get' && call !== 'remove' && call !== 'room')
      this.#world.harm(name, `${call} goes wrong`);
    const fails = random.chance(0.5);
    const error = random.pick(['unavailable', 'timeout', 'exhausted', 'upstream'] as const) ?? 'timeout';
    return {
      waitMs: random.chance(0.5) ? 0 : random.int(100, random.chance(0.3) ? 200_000 : 5_000),
      ...(fails ? { error: new TidepoolError(error, `${call} was made to fail`) } : {}),
    };
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
    this.#world.log(`LEFTOVER ${name}`);
    await this.#world.hands.create(machineSpec(name, `left-${this.#strangers}`));
  }
}

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
