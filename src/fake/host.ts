import type { HostRoom, MachineEvent, MachineNetwork } from '../domain/hypervisor.ts';
import type { FakeMachine } from './machine.ts';

const GiB = 1024 ** 3;

type Listener = (installationId: string, event: MachineEvent) => void;

/** One fake host. Its machines outlive a connection to it, and every connection is told of every change. */
export class FakeHost {
  readonly machines = new Map<string, FakeMachine>();
  readonly #listeners = new Set<Listener>();
  #port = 40_000;
  memoryBytes = 1024 * GiB;
  diskFreeBytes = 1024 * GiB;
  /** Names of the networks that are there and active. */
  readonly networks = new Set<string>();

  /** What is left: each machine that is not off has all of its memory. */
  room(): HostRoom {
    let memoryFreeBytes = this.memoryBytes;
    for (const machine of this.machines.values()) if (!machine.isOff) memoryFreeBytes -= machine.memoryBytes;
    const disk = { sizeBytes: 1024 * GiB, freeBytes: this.diskFreeBytes };
    return { memoryBytes: this.memoryBytes, memoryFreeBytes, disk };
  }

  networkTrouble(network: MachineNetwork): string | undefined {
    const isMissing = network.kind === 'network' && !this.networks.has(network.name);
    return isMissing ? `the libvirt network ${network.name} does not exist` : undefined;
  }

  /** A port of the host's loopback that no machine has. */
  nextPort(): number {
    this.#port += 1;
    return this.#port;
  }

  listen(listener: Listener): void {
    this.#listeners.add(listener);
  }

  unlisten(listener: Listener): void {
    this.#listeners.delete(listener);
  }

  tell(installationId: string, event: MachineEvent): void {
    for (const listener of this.#listeners) listener(installationId, event);
  }
}
