/**
 * How many VMs a load needs, by queueing theory: the pool is an M/M/c queue. Requests arrive at random, wait in one line
 * and are served by the first of c VMs that is free, each for an exponentially distributed time. Loads are in VMs' worth
 * (erlangs): arrival rate over the rate that one VM serves at full use. Times are in mean service times.
 *
 * Formulas: A. K. Erlang (1917); L. Kleinrock, Queueing Systems I (1975), section 3.5; the recursion of the Erlang B
 * formula, e.g. V. B. Iversen, Teletraffic Engineering (2010), section 7.3.
 */

/** A pool larger than this is not reckoned with. */
export const mostVms = 10_000;

/** The 99th percentile of the response time of one VM at 80 % CPU: ln(100) / (1 - 0.8). */
export const defaultP99 = Math.log(100) / 0.2;

/** No pool answers 99 % of requests faster than its VMs serve 99 % of them: ln(100). */
export const leastP99 = Math.log(100);

/** The probability that a request must wait, for 0 <= load < vms (Erlang C). */
export function waitProbability(vms: number, load: number): number {
  return erlangC(erlangB(vms, load), vms, load);
}

/** The probability that a request takes longer than `time`, for 0 <= load < vms. */
export function slowerThan(vms: number, load: number, time: number): number {
  return responseTail(waitProbability(vms, load), vms - load, time);
}

/**
 * The fewest VMs, at least 1, that answer 99 % of requests within `p99` mean service times; `mostVms` when even those do
 * not. `p99` must be above `leastP99`.
 */
export function vmsForLoad(load: number, p99: number = defaultP99): number {
  let blocked = 1;
  for (let vms = 1; vms <= mostVms; vms += 1) {
    blocked = nextErlangB(blocked, vms, load);
    if (vms > load && responseTail(erlangC(blocked, vms, load), vms - load, p99) <= 0.01) return vms;
  }
  return mostVms;
}

/** Erlang B, the probability that all of `vms` are busy when nobody may wait, from the same for one VM fewer. */
function nextErlangB(before: number, vms: number, load: number): number {
  return (load * before) / (vms + load * before);
}

function erlangB(vms: number, load: number): number {
  let blocked = 1;
  for (let i = 1; i <= vms; i += 1) blocked = nextErlangB(blocked, i, load);
  return blocked;
}

function erlangC(blocked: number, vms: number, load: number): number {
  return blocked / (1 - (load / vms) * (1 - blocked));
}

/**
 * The same from the probability of waiting and the VMs that are spare: response time is service, exponential with rate 1,
 * and for those who must wait a wait, exponential with rate `spare`.
 */
export function responseTail(waits: number, spare: number, time: number): number {
  const served = Math.exp(-time);
  if (Math.abs(spare - 1) < 1e-9) return (1 - waits) * served + waits * (1 + time) * served;
  return (1 - waits) * served + (waits * (spare * served - Math.exp(-spare * time))) / (spare - 1);
}
