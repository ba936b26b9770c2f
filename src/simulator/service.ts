/** What came of one second of the service. */
export interface Served {
  /** Share of the capacity that was used, 0 to 1: the CPU of each VM. */
  readonly cpu: number;
  /** How long the requests of this second wait behind those that queued before them. */
  readonly waitMs: number;
  readonly dropped: number;
}

/**
 * The service as a fluid: requests flow in, wait in one queue, and flow out at the capacity of the VMs in service. A
 * request that would wait longer than the patience is dropped.
 */
export class Service {
  readonly #vmCapacity: number;
  readonly #patienceMs: number;
  #waiting = 0;

  /** @param vmCapacity requests a second that one VM serves at full use */
  constructor(vmCapacity: number, patienceMs: number) {
    this.#vmCapacity = vmCapacity;
    this.#patienceMs = patienceMs;
  }

  /** Requests in the queue. */
  get waiting(): number {
    return this.#waiting;
  }

  /** One second with so many VMs and arrivals. */
  second(vms: number, arrivals: number): Served {
    const capacity = vms * this.#vmCapacity;
    const before = this.#waiting;
    const work = before + arrivals;
    const served = Math.min(work, capacity);
    const most = (Math.max(1, vms) * this.#vmCapacity * this.#patienceMs) / 1_000;
    const dropped = Math.max(0, work - served - most);
    this.#waiting = work - served - dropped;
    const ahead = (before + this.#waiting) / 2;
    const waitMs = capacity === 0 ? this.#patienceMs : Math.min(this.#patienceMs, (ahead / capacity) * 1_000);
    return { cpu: capacity === 0 ? 0 : served / capacity, waitMs, dropped };
  }
}
