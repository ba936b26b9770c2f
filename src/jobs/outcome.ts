import type { JobResult, JobState } from '../domain/job.ts';
import type { AttemptOutcome, AttemptReport } from '../protocol/agent.ts';

const states: Readonly<Record<AttemptOutcome, JobState>> = {
  succeeded: 'succeeded',
  failed: 'failed',
  rejected: 'rejected',
  timed_out: 'timed_out',
  out_of_memory: 'out_of_memory',
  stopped: 'cancelled',
  lost: 'lost',
};

/** The job's final state for an ended attempt. Pure. */
export function jobStateOf(outcome: AttemptOutcome): JobState {
  return states[outcome];
}

/** The evidence of an ended attempt, as the job keeps it. */
export function jobResultOf(report: AttemptReport): JobResult {
  return {
    exitCode: report.exitCode,
    signal: report.signal,
    syntaxProblem: report.syntaxProblem,
    message: report.message,
    wallMs: report.wallMs,
    cpuMs: report.cpuMs,
    peakMemoryBytes: report.peakMemoryBytes,
    limitsHit: report.limitsHit,
    outputTruncated: report.outputTruncated,
  };
}
