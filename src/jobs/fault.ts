import { toTidepoolError } from '../domain/errors.ts';
import type { JobAttempt } from '../domain/job-store.ts';
import { joinedVmName } from '../domain/worker.ts';
import type { AttemptReport } from '../protocol/agent.ts';
import { OwnTrouble } from '../reconcile/own-trouble.ts';

/**
 * Whose fault it is that an attempt did not go as it should, and what follows. Every error and every report of an attempt
 * comes through here, and nothing else decides about it.
 *
 * - `job`: it ended by what its script did. The job ends, with the evidence.
 * - `worker`: the agent cannot be reached (`ask_again`: where the worker is decides, see whereabouts.ts), or could not run the
 *   attempt, or answers what is not of the protocol (`give_back`: to the queue, for another worker), or did not get the
 *   files (`send_again`: to the queue, and it does not count as a try).
 * - `ours`: disk, database, blobs, a mistake in Tidepool. We wait and try again (`send_anew`: the same attempt to the same
 *   worker); no job ends by it, and no try is counted.
 */
export type Fault =
  | { readonly of: 'job'; readonly consequence: 'finish' }
  | { readonly of: 'worker'; readonly consequence: 'ask_again'; readonly message: string }
  | { readonly of: 'worker'; readonly consequence: 'give_back'; readonly message: string; readonly isStrike: boolean }
  | { readonly of: 'worker'; readonly consequence: 'send_again'; readonly message: string }
  | { readonly of: 'ours'; readonly consequence: 'wait' | 'send_anew'; readonly message: string };

/** Judges what was thrown while an attempt was carried. Pure. */
export function faultOf(thrown: unknown): Fault {
  const { code, message, cause } = toTidepoolError(thrown);
  if (thrown instanceof OwnTrouble) return { of: 'ours', consequence: 'wait', message };
  // Agents' errors come as errors of ours from the link; anything else is a mistake in Tidepool.
  if (cause === thrown) return { of: 'ours', consequence: 'wait', message };
  if (code === 'unavailable' || code === 'timeout' || code === 'aborted') {
    return { of: 'worker', consequence: 'ask_again', message };
  }
  // A refusal of what the job brings may be about the job, and says little about the worker.
  const isStrike = code !== 'invalid' && code !== 'too_large';
  return { of: 'worker', consequence: 'give_back', message, isStrike };
}

/** Judges how an attempt ended. Pure. @param isCut its upload broke off by trouble of ours */
export function faultOfReport({ outcome, fault, message }: AttemptReport, isCut = false): Fault {
  if (outcome !== 'lost' && outcome !== null) return { of: 'job', consequence: 'finish' };
  if (fault === 'transfer' && isCut) return { of: 'ours', consequence: 'send_anew', message };
  if (fault === 'transfer') return { of: 'worker', consequence: 'send_again', message };
  return { of: 'worker', consequence: 'give_back', message: message || 'it was lost', isStrike: true };
}

/** Attempts whose files did not arrive; beyond this many, each counts as a try. */
const mostNotStarted = 10;

/** Whether an attempt that did not start leaves the number of tries as it is. Pure. @param attempts earlier ones */
export function isFree(attempts: readonly Pick<JobAttempt, 'outcome'>[]): boolean {
  return attempts.filter(({ outcome }) => outcome === 'not_started').length < mostNotStarted;
}

/** Faults of one machine that joined by hand which are one try of a job; beyond this many, each counts. */
const mostOnOneMachine = 10;

/**
 * How many of a job's attempts count as tries. A job is lost only after tries on different workers, and a machine that joined by hand
 * may be the only one: what it could not run again and again counts once. (A VM that could not run a job never gets that job again.) Pure.
 */
export function triesOf(attempts: readonly Pick<JobAttempt, 'outcome' | 'vmName'>[]): number {
  const faults = new Map<string, number>();
  let tries = 0;
  for (const { outcome, vmName } of attempts) {
    if (outcome === 'not_started') continue;
    const before = faults.get(vmName) ?? 0;
    const isRepeated = vmName.startsWith(joinedVmName('')) && before > 0 && before < mostOnOneMachine;
    if (!isRepeated) tries += 1;
    if (outcome === 'worker_fault') faults.set(vmName, before + 1);
  }
  return tries;
}
