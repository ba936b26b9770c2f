import type { Vm } from '../domain/vm.ts';
import type { LaunchPast } from './launch-note.ts';

/** Failures older than this do not count any more. */
const windowMs = 60_000;
const share = 0.2;
const mostKept = 1_000;

/**
 * Keeps repair from making things worse: when more than 20 % of a pool (and more than one VM) are down at once, the cause is
 * likely not the VMs', and until the failures are a minute old VMs are launched one at a time. One at a time is always
 * allowed: a small pool that lost all of its VMs, or is to grow, must not wait. A pool that is whole again has no failures.
 * Times are of the steady clock.
 */
export class UnhealthyGuard {
  #failedAtMs: number[] = [];
  /** Failed VMs that were counted and are not removed yet, each with the time of its launch: names come again. */
  #counted = new Map<string, number>();

  /** Looks at the pool's VMs; counts those that have failed, each once, and returns those that are new. */
  see<T extends Pick<Vm, 'name' | 'state' | 'createdAtMs'>>(vms: readonly T[], uptimeMs: number): T[] {
    const failed = vms.filter((vm) => vm.state === 'failed');
    const fresh = failed.filter((vm) => this.#counted.get(vm.name) !== vm.createdAtMs);
    this.#counted = new Map(failed.map((vm) => [vm.name, vm.createdAtMs]));
    this.#failedAtMs = [...this.#failedAtMs, ...fresh.map(() => uptimeMs)].slice(-mostKept);
    return fresh;
  }

  /** What it knows, for the next server. */
  past(uptimeMs: number): Pick<LaunchPast, 'failedAgesMs' | 'counted'> {
    return { failedAgesMs: this.#failedAtMs.map((atMs) => uptimeMs - atMs), counted: [...this.#counted] };
  }

  /** Goes on where an earlier server ended. */
  restore({ failedAgesMs, counted }: Pick<LaunchPast, 'failedAgesMs' | 'counted'>, uptimeMs: number): void {
    this.#failedAtMs = failedAgesMs.map((ageMs) => uptimeMs - ageMs).slice(-mostKept);
    this.#counted = new Map(counted);
  }

  /**
   * @param wanted VMs that the pool should have
   * @param ready VMs that it has in service
   * @returns maximum number of VMs that may be on their way up at one time: no limit of the guard's own, or 1
   */
  assess(wanted: number, ready: number, uptimeMs: number): { mostLaunches: number; failures: number; allowed: number } {
    const isWhole = ready >= wanted;
    this.#failedAtMs = isWhole ? [] : this.#failedAtMs.filter((atMs) => uptimeMs - atMs < windowMs);
    const allowed = Math.max(1, Math.floor(wanted * share));
    const failures = this.#failedAtMs.length;
    return { mostLaunches: failures <= allowed ? Number.POSITIVE_INFINITY : 1, failures, allowed };
  }
}
