/**
 * How well a pool followed its demand, as N. Herbst et al. define it (Ready for Rain? A View from SPEC Research on the
 * Future of Cloud Metrics, 2016; Herbst, Methods and Benchmarks for Auto-Scaling Mechanisms, 2018). All in percent.
 */
export interface Accuracy {
  /** Mean over time of max(demand - ready, 0) / demand. */
  readonly thetaU: number;
  /** Mean over time of max(ready - demand, 0) / demand. */
  readonly thetaO: number;
  /** Share of time with fewer VMs ready than demanded. */
  readonly tauU: number;
  /** Share of time with more. */
  readonly tauO: number;
}

/** Values below count as this, so that a perfect one does not make the others meaningless. */
const floor = 0.1;

/** Gathers the accuracy of a pool, a second at a time. */
export class AccuracyMeter {
  #seconds = 0;
  #under = 0;
  #over = 0;
  #underSeconds = 0;
  #overSeconds = 0;

  /** `demand` is at least 1. */
  add(demand: number, ready: number, seconds = 1): void {
    this.#seconds += seconds;
    if (ready < demand) {
      this.#under += (seconds * (demand - ready)) / demand;
      this.#underSeconds += seconds;
    } else if (ready > demand) {
      this.#over += (seconds * (ready - demand)) / demand;
      this.#overSeconds += seconds;
    }
  }

  accuracy(): Accuracy {
    const share = (value: number) => (this.#seconds === 0 ? 0 : (100 * value) / this.#seconds);
    return {
      thetaU: share(this.#under),
      thetaO: share(this.#over),
      tauU: share(this.#underSeconds),
      tauO: share(this.#overSeconds),
    };
  }
}

/** The fixed pool that policies are compared with: the mean demand, rounded up. */
export function staticAccuracy(demands: readonly number[]): Accuracy {
  const size = Math.ceil(demands.reduce((sum, demand) => sum + demand, 0) / demands.length);
  const meter = new AccuracyMeter();
  for (const demand of demands) meter.add(demand, size);
  return meter.accuracy();
}

/** How many times better than the fixed pool: the fourth root of the product of the four ratios. */
export function elasticSpeedup(fixed: Accuracy, policy: Accuracy): number {
  const ratio = (key: keyof Accuracy) => Math.max(floor, fixed[key]) / Math.max(floor, policy[key]);
  return (ratio('thetaU') * ratio('thetaO') * ratio('tauU') * ratio('tauO')) ** (1 / 4);
}
