import { randomUUID } from 'node:crypto';
import type { Endpoint, Machine, MachineSpec, MachineState, MachineStats } from '../domain/hypervisor.ts';

const MiB = 1024 * 1024;

/** One machine of the fake host. */
export class FakeMachine {
  readonly name: string;
  readonly uuid = randomUUID();
  readonly installationId: string;
  hung = false;
  /** The host's disk was full when it wrote; it stands until it is resumed. */
  isOutOfRoom = false;
  readonly #spec: MachineSpec;
  readonly #endpoints: readonly Endpoint[];
  #state: MachineState = 'off';
  #load = 0;
  #cpuTimeNs = 0n;
  #countedUntilMs: number;

  constructor(spec: MachineSpec, installationId: string, nowMs: number, nextPort: () => number) {
    this.name = spec.name;
    this.installationId = installationId;
    this.#spec = spec;
    this.#countedUntilMs = nowMs;
    const host = spec.network.kind === 'user' ? '127.0.0.1' : '192.0.2.1';
    this.#endpoints = spec.ports.map(({ name, protocol, guestPort }) => {
      return { name, protocol, host, port: spec.network.kind === 'user' ? nextPort() : guestPort };
    });
  }

  get state(): MachineState {
    return this.#state;
  }

  get memoryBytes(): number {
    return this.#spec.flavor.memoryMiB * MiB;
  }

  get isOff(): boolean {
    return this.#state === 'off' || this.#state === 'crashed';
  }

  setState(state: MachineState, nowMs: number): void {
    this.#countUntil(nowMs);
    if (state !== 'paused') this.isOutOfRoom = false;
    this.#state = state;
  }

  setLoad(load: number, nowMs: number): void {
    this.#countUntil(nowMs);
    this.#load = load;
  }

  describe(): Machine {
    const { tags, flavor } = this.#spec;
    return {
      name: this.name,
      uuid: this.uuid,
      state: this.#state,
      pauseReason: this.#state !== 'paused' ? null : this.isOutOfRoom ? 'no_room' : 'asked',
      tags,
      flavor: { vcpus: flavor.vcpus, memoryMiB: flavor.memoryMiB },
      endpoints: this.#endpoints,
    };
  }

  stats(nowMs: number): MachineStats {
    this.#countUntil(nowMs);
    return {
      name: this.name,
      state: this.#state,
      vcpus: this.#spec.flavor.vcpus,
      cpuTimeNs: this.isOff ? 0n : this.#cpuTimeNs,
      cpuDelayNs: 0n,
      memoryBytes: this.memoryBytes,
      memoryRssBytes: this.isOff ? 0 : this.#spec.flavor.memoryMiB * MiB,
      diskReadBytes: 0,
      diskWriteBytes: 0,
      networkReceiveBytes: 0,
      networkTransmitBytes: 0,
    };
  }

  #countUntil(nowMs: number): void {
    if (this.#state === 'running') {
      const busyMs = (nowMs - this.#countedUntilMs) * this.#load * this.#spec.flavor.vcpus;
      this.#cpuTimeNs += BigInt(Math.round(busyMs * 1e6));
    }
    this.#countedUntilMs = nowMs;
  }
}
