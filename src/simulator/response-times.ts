import { responseTail, waitProbability } from '../autoscaler/queueing.ts';

/** Requests that saw the same: so many VMs, such a load, and a queue that takes `wait` to pass. In mean service times. */
interface Class {
  requests: number;
  readonly vms: number;
  readonly load: number;
  readonly wait: number;
  /** Probability of waiting for a VM in an M/M/c queue; only where there is no standing queue. */
  readonly waits: number;
}

/**
 * The distribution of response times over a whole run. Without a standing queue it is that of the M/M/c queue
 * (autoscaler/queueing.ts); with one, the time to pass it and the service itself.
 */
export class ResponseTimes {
  readonly #classes: Class[] = [];
  #requests = 0;

  /** `load` and `wait` in VMs' worth and mean service times. */
  add(requests: number, vms: number, load: number, wait: number): void {
    if (requests <= 0) return;
    this.#requests += requests;
    const last = this.#classes.at(-1);
    if (last !== undefined && last.vms === vms && last.load === load && last.wait === wait) {
      last.requests += requests;
      return;
    }
    const isSteady = wait === 0 && load < vms;
    this.#classes.push({ requests, vms, load, wait, waits: isSteady ? waitProbability(vms, load) : 0 });
  }

  /** The time that 99 % of requests stay within, in mean service times; 0 without requests. */
  p99(): number {
    if (this.#requests === 0) return 0;
    let [low, high] = [0, 1];
    while (this.#slower(high) > 0.01) high *= 2;
    for (let i = 0; i < 40; i += 1) {
      const middle = (low + high) / 2;
      if (this.#slower(middle) > 0.01) low = middle;
      else high = middle;
    }
    return high;
  }

  #slower(time: number): number {
    let slower = 0;
    for (const each of this.#classes) slower += each.requests * tail(each, time);
    return slower / this.#requests;
  }
}

function tail({ vms, load, wait, waits }: Class, time: number): number {
  if (time <= wait) return 1;
  return waits === 0 ? Math.exp(wait - time) : responseTail(waits, vms - load, time);
}
