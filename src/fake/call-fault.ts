import type { TidepoolError } from '../domain/errors.ts';

/** Every call about machines that can be made to fail or to last. */
export type HypervisorCall = 'list' | 'stats' | 'get' | 'create' | 'suspend' | 'resume' | 'destroy' | 'remove' | 'room';

/**
 * Trouble of one call. The call waits (without end for Infinity), and then it fails, or has its effect late. The answer after the effect
 * may be late, and then it says what was true at the effect; or it is lost.
 */
export interface CallFault {
  readonly waitMs?: number;
  readonly error?: TidepoolError;
  /** From the effect to the answer. */
  readonly answerMs?: number;
  /** In place of the answer, after the effect. */
  readonly answerError?: TidepoolError;
}
