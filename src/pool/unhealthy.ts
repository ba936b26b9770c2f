/** Failures older than this do not count any more. */
const windowMs = 60_000;
const share = 0.2;

/**
 * Keeps repair from making things worse: when more than 20 % of a pool (and more than one VM) failed within a minute,
 * the cause is likely not the VMs', and replacing stops until the failures are older. Pure but for its list.
 */
export class UnhealthyGuard {
  #failedAtMs: number[] = [];

  failed(nowMs: number): void {
    this.#failedAtMs.push(nowMs);
    this.#failedAtMs = this.#failedAtMs.slice(-1_000);
  }

  /** @param poolSize VMs that the pool should have */
  assess(poolSize: number, nowMs: number): { mayReplace: boolean; failures: number; allowed: number } {
    this.#failedAtMs = this.#failedAtMs.filter((atMs) => nowMs - atMs < windowMs);
    const allowed = Math.max(1, Math.floor(poolSize * share));
    const failures = this.#failedAtMs.length;
    return { mayReplace: failures <= allowed, failures, allowed };
  }
}
