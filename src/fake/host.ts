import type { MachineEvent } from '../domain/hypervisor.ts';
import type { FakeMachine } from './machine.ts';

type Listener = (installationId: string, event: MachineEvent) => void;

/** One fake host. Its machines outlive a connection to it, and every connection is told of every change. */
export class FakeHost {
  readonly machines = new Map<string, FakeMachine>();
  readonly #listeners = new Set<Listener>();
  #port = 40_000;

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
