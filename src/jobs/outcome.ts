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

/**
 * The evidence of an ended attempt, as the job keeps it. Pure.
 * @param droppedFiles for which its owner had no room any more
 */
export function jobResultOf(report: AttemptReport, droppedFiles: number): JobResult {
  const dropped = `${droppedFiles} files were not kept: its owner may keep no more`;
  return {
    exitCode: report.exitCode,
    signal: report.signal,
    syntaxProblem: report.syntaxProblem,
    message: droppedFiles === 0 ? report.message : [report.message, dropped].filter(Boolean).join('; '),
    wallMs: report.wallMs,
    cpuMs: report.cpuMs,
    peakMemoryBytes: report.peakMemoryBytes,
    limitsHit: droppedFiles === 0 ? report.limitsHit : [...report.limitsHit, 'storage'],
    outputTruncated: report.outputTruncated,
  };
}
