import type { Clock } from '../../domain/clock.ts';
import { toTidepoolError } from '../../domain/errors.ts';
import { DatagramGateway, type DatagramPlan } from './gateway.ts';

/** The gateways of all machines that have one, by the machine's name. */
export class DatagramGateways {
  readonly #clock: Clock;
  readonly #log: (message: string) => void;
  readonly #open = new Map<string, DatagramGateway>();
  /** Machines whose gateway is being opened. */
  readonly #opening = new Set<string>();
  #isClosed = false;

  constructor(clock: Clock, log: (message: string) => void) {
    this.#clock = clock;
    this.#log = log;
  }

  /** For a new machine. A gateway of an earlier machine of this name is closed first. Errors: `exhausted` when a port is taken. */
  async open(machine: string, plan: DatagramPlan): Promise<void> {
    this.close(machine);
    this.#opening.add(machine);
    try {
      const gateway = await DatagramGateway.open(plan, this.#clock);
      if (this.#isClosed) gateway.close();
      else this.#open.set(machine, gateway);
    } finally {
      this.#opening.delete(machine);
    }
  }

  /** For machines that run already: opens what is missing. Failures are logged. */
  async adopt(plans: ReadonlyMap<string, DatagramPlan>): Promise<void> {
    for (const [machine, plan] of plans) {
      if (this.#open.has(machine) || this.#opening.has(machine)) continue;
      await this.open(machine, plan).catch((error: unknown) => {
        this.#log(`datagrams of ${machine}: ${toTidepoolError(error).message}`);
      });
    }
  }

  close(machine: string): void {
    this.#open.get(machine)?.close();
    this.#open.delete(machine);
  }

  closeAll(): void {
    this.#isClosed = true;
    for (const machine of [...this.#open.keys()]) this.close(machine);
  }
}
