import { constants } from 'node:os';
import { type Job, jobStates } from './job.ts';

const mib = 1024 ** 2;

/** Returns, for a person, what became of a job or what is done with it now: a phrase that goes after its name. Pure. */
export function jobEndText(job: Pick<Job, 'state' | 'cancelRequested' | 'result' | 'spec'>): string {
  const { state, cancelRequested, result, spec } = job;
  if (cancelRequested && !jobStates[state].ended) return withMessage('is being cancelled', result?.message);
  // The messages of these two repeat the state.
  if (state === 'out_of_memory')
    return `was killed at its memory limit of ${Math.round(spec.limits.memoryBytes / mib)} MiB`;
  if (state === 'timed_out') return `was stopped at its time limit of ${spec.limits.timeoutMs / 1_000} s`;
  if (state === 'failed' && result !== null) return withMessage(failure(result), result.message);
  return withMessage(jobStates[state].meaning, result?.message);
}

function failure({ exitCode, signal }: { readonly exitCode: number | null; readonly signal: number | null }): string {
  if (exitCode !== null) return `ended with exit code ${exitCode}`;
  if (signal === null) return 'failed';
  const name = Object.entries(constants.signals).find(([, number]) => number === signal)?.[0];
  return `was ended by signal ${signal}${name === undefined ? '' : ` (${name})`}`;
}

function withMessage(text: string, message: string | undefined): string {
  return message === undefined || message === '' ? text : `${text}: ${message}`;
}
