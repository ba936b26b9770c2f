import type { AttemptOutcome, AttemptReport } from '../protocol/agent.ts';
import type { CgroupUsage } from './cgroup.ts';

/** Why the agent itself ended the container, if it did. */
export type StopReason = 'timed_out' | 'stopped';

/** What is known when the last process of an attempt is gone. */
export interface RunFacts {
  /** crun's exit code; null when a signal ended crun itself. */
  readonly crunExitCode: number | null;
  /** What the container's init wrote about its child's end; see `exitOf`. */
  readonly status: string;
  /** crun's own complaints; '' when it had none. */
  readonly crunLog: string;
  readonly stopReason: StopReason | null;
  readonly usage: CgroupUsage;
  readonly isDiskFull: boolean;
  readonly isOutputTruncated: boolean;
}

type Ending = Pick<AttemptReport, 'outcome' | 'exitCode' | 'signal' | 'message' | 'limitsHit'>;

/** How the attempt ended, from the facts. Pure. */
export function endingOf(facts: RunFacts): Ending {
  const limitsHit = limitsHitOf(facts);
  const exit = exitOf(facts.crunExitCode, facts.status);
  const ending = (outcome: AttemptOutcome, message: string): Ending => ({ outcome, ...exit, message, limitsHit });
  if (facts.stopReason === 'stopped') return ending('stopped', '');
  if (facts.stopReason === 'timed_out') return ending('timed_out', 'it ran into its time limit');
  if (facts.usage.memoryLimitHit && exit.exitCode !== 0) {
    return ending('out_of_memory', 'it was killed at its memory limit');
  }
  if (facts.status === '') return ending('failed', `its container failed: ${facts.crunLog || 'crun gave no reason'}`);
  if (exit.exitCode === 0) return ending('succeeded', '');
  return ending('failed', failureHint(limitsHit));
}

/**
 * The script's exit code, or the signal that ended it. crun's own exit code cannot tell `exit(137)` from a KILL, so the
 * container's init is busybox `time`, which writes `Command terminated by signal N` or `Command exited with non-zero
 * status N`, and nothing of the kind after a success. The job can write to that pipe too, but it can only lie about
 * its own end.
 */
export function exitOf(
  crunExitCode: number | null,
  status: string,
): { exitCode: number | null; signal: number | null } {
  const signal = /^Command terminated by signal (\d{1,2})$/m.exec(status)?.[1];
  if (signal !== undefined) return { exitCode: null, signal: Number(signal) };
  // The init itself was killed, by the kernel or with the whole cgroup; or it never started.
  if (status === '') return { exitCode: null, signal: crunExitCode === null || crunExitCode > 128 ? 9 : null };
  return { exitCode: crunExitCode, signal: null };
}

function limitsHitOf(facts: RunFacts): AttemptReport['limitsHit'] {
  const hit: AttemptReport['limitsHit'][number][] = [];
  if (facts.usage.memoryLimitHit) hit.push('memory');
  if (facts.usage.processLimitHit) hit.push('processes');
  if (facts.isDiskFull) hit.push('disk');
  if (facts.isOutputTruncated) hit.push('output');
  if (facts.stopReason === 'timed_out') hit.push('time');
  return hit;
}

function failureHint(limitsHit: AttemptReport['limitsHit']): string {
  if (limitsHit.includes('disk')) return 'it used all of its disk limit';
  if (limitsHit.includes('processes')) return 'it reached its limit of processes';
  return '';
}
