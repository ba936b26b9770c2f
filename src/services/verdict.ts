import type { RevisionEnd } from '../domain/service.ts';
import type { HeldRevision, RolloutVm } from './held.ts';

/** The agent gives up one that does not listen in time; this is for an agent that does not even do that. */
const startLimitMs = 300_000;
/** One that serves and is not let in by the front door's own health check for so long is no good. */
const openLimitMs = 60_000;

/** While another revision serves there is no need to wait until the agent gives up one whose processes end again and again. */
const mostRestarts = 1;

/**
 * Where and why a revision that is being rolled out has failed; undefined while it has not. Pure.
 * @param isOnTrial whether it must prove itself beside one that serves
 */
export function firstFailure(
  number: number,
  isOnTrial: boolean,
  vms: readonly RolloutVm[],
  nowMs: number,
): (RevisionEnd & { readonly number: number }) | undefined {
  for (const vm of vms) {
    // One that ends on a VM that is leaving says nothing.
    if (vm.phase === 'draining') continue;
    for (const held of vm.held) {
      const problem = held.number === number ? problemOf(held, isOnTrial, vm.phase, nowMs) : undefined;
      if (problem === undefined) continue;
      return { number, state: 'failed', message: `on ${vm.name}: ${problem}`, traceback: held.traceback };
    }
  }
  return undefined;
}

function problemOf(
  held: HeldRevision,
  isOnTrial: boolean,
  phase: RolloutVm['phase'],
  nowMs: number,
): string | undefined {
  if (held.state === 'failed') return held.message === '' ? 'it failed' : held.message;
  if (isOnTrial && held.restarts > mostRestarts) return `its processes have ended ${held.restarts} times by themselves`;
  if (held.state === 'starting' && nowMs - held.stateSinceMs > startLimitMs)
    return `it did not start within ${startLimitMs / 1_000} s`;
  if (phase === 'serving' && held.traffic === 'opening' && nowMs - held.trafficSinceMs > openLimitMs)
    return `it runs, but the front door's health check has failed for ${openLimitMs / 1_000} s`;
  return undefined;
}
