import type { TidepoolError } from '../domain/errors.ts';

/** Every call about machines that can be made to fail or to last. */
export type HypervisorCall = 'list' | 'stats' | 'get' | 'create' | 'suspend' | 'resume' | 'destroy' | 'remove' | 'room';

/**
 * What goes wrong in a call: it waits, without end for Infinity; then it fails, or has its effect late. After the effect its
 * answer may be late, and is then about what was true at the effect; or lost.
 */
export interface CallFault {
  readonly waitMs?: number;
  readonly error?: TidepoolError;
  /** From the effect to the answer. */
  readonly answerMs?: number;
  /** In place of the answer, after the effect. */
  readonly answerError?: TidepoolError;
}
