import type { Clock } from '../../domain/clock.ts';
import { toTidepoolError } from '../../domain/errors.ts';
import { DatagramGateway, type DatagramPlan } from './gateway.ts';

/** The gateways of all machines that have one, by the machine's name. */
export class DatagramGateways {
  readonly #clock: Clock;
  readonly #log: (message: string) => void;
  readonly #open = new Map<string, DatagramGateway>();
  #isClosed = false;

  constructor(clock: Clock, log: (message: string) => void) {
    this.#clock = clock;
    this.#log = log;
  }

  /** For a new machine. Errors: `exhausted` when a port is taken. */
  async open(machine: string, plan: DatagramPlan): Promise<void> {
    const gateway = await DatagramGateway.open(plan, this.#clock);
    // Closed meanwhile, or opened by two callers at a time.
    if (this.#isClosed || this.#open.has(machine)) gateway.close();
    else this.#open.set(machine, gateway);
  }

  /** For machines that run already: opens what is missing. Failures are logged. */
  async adopt(plans: ReadonlyMap<string, DatagramPlan>): Promise<void> {
    for (const [machine, plan] of plans) {
      if (this.#open.has(machine)) continue;
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
