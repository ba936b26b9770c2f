/** Failures older than this do not count any more. */
const windowMs = 60_000;
const share = 0.2;
const mostKept = 1_000;

/**
 * Keeps repair from making things worse: when more than 20 % of a pool (and more than one VM) are down at once, the cause
 * is likely not the VMs', and replacing stops until the failures are a minute old. A pool that is whole again has none.
 */
export class UnhealthyGuard {
  #failedAtMs: number[] = [];

  failed(nowMs: number): void {
    this.#failedAtMs = [...this.#failedAtMs, nowMs].slice(-mostKept);
  }

  /**
   * @param wanted VMs that the pool should have
   * @param ready VMs that it has in service
   */
  assess(wanted: number, ready: number, nowMs: number): { mayReplace: boolean; failures: number; allowed: number } {
    const isWhole = ready >= wanted;
    this.#failedAtMs = isWhole ? [] : this.#failedAtMs.filter((atMs) => nowMs - atMs < windowMs);
    const allowed = Math.max(1, Math.floor(wanted * share));
    const failures = this.#failedAtMs.length;
    return { mayReplace: failures <= allowed, failures, allowed };
  }
}
