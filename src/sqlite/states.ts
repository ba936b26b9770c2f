import { type JobAction, type JobState, jobCan, jobStates } from '../domain/job.ts';

/** The states of a job in which an action may happen: from the domain's table, never from here. */
export function statesThatCan(action: JobAction): JobState[] {
  return (Object.keys(jobStates) as JobState[]).filter((state) => jobCan(state, action));
}
