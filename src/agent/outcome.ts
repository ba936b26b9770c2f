import { hasCode } from '../domain/errors.ts';
import type { AttemptOutcome, AttemptReport } from '../protocol/agent.ts';
import type { CgroupUsage } from './cgroup.ts';

/** Why the agent itself ended the container, if it did. `lapsed`: its permission to work ran out (work-lease.ts). */
export type StopReason = 'timed_out' | 'stopped' | 'lapsed';

/** Facts that are known when the last process of an attempt is gone. */
export interface RunFacts {
  /** crun's exit code; null when a signal ended crun itself. */
  readonly crunExitCode: number | null;
  /** The container's first process was made. The job cannot change that, as it can `status`. */
  readonly isStarted: boolean;
  /** Text that the container's init wrote about the end of its child; see `exitOf`. */
  readonly status: string;
  /** crun's own complaints; '' when it had none. */
  readonly crunLog: string;
  readonly stopReason: StopReason | null;
  readonly usage: CgroupUsage;
  readonly isDiskFull: boolean;
  readonly isOutputTruncated: boolean;
}

type Ending = Pick<AttemptReport, 'fault' | 'exitCode' | 'signal' | 'message' | 'limitsHit'> & {
  readonly outcome: AttemptOutcome;
};

/** Returns how the attempt ended. An end that the script did not cause is the worker's fault, and the attempt is lost. Pure. */
export function endingOf(facts: RunFacts): Ending {
  const limitsHit = limitsHitOf(facts);
  const exit = exitOf(facts.crunExitCode, facts.status);
  const ending = (outcome: AttemptOutcome, message: string): Ending => {
    return { outcome, fault: outcome === 'lost' ? 'worker' : null, ...exit, message, limitsHit };
  };
  if (facts.stopReason === 'stopped') return ending('stopped', '');
  if (facts.stopReason === 'lapsed') return ending('lost', lapsedMessage);
  if (facts.stopReason === 'timed_out') return ending('timed_out', 'it ran into its time limit');
  if (facts.usage.memoryLimitHit && exit.exitCode !== 0) {
    return ending('out_of_memory', 'it was killed at its memory limit');
  }
  if (facts.usage.killedForOthers && exit.exitCode !== 0) {
    return ending('lost', 'its worker ran out of memory and killed it below its own memory limit');
  }
  if (facts.status === '') return endingWithoutStatus(facts, ending);
  if (exit.exitCode === 0) return ending('succeeded', '');
  return ending('failed', failureHint(limitsHit));
}

/** The container's init said nothing: it never ran, or somebody killed it or read what it wrote. */
function endingWithoutStatus(facts: RunFacts, ending: (outcome: AttemptOutcome, message: string) => Ending): Ending {
  const { crunLog, isStarted, usage } = facts;
  if (isStarted && crunLog === '') {
    return ending('failed', 'its container ended, and how was not written down: its processes can prevent that');
  }
  const own = ownContainerProblem(crunLog) ?? (usage.processLimitHit ? 'its limit of processes is too low' : undefined);
  if (own !== undefined) return ending('failed', `its container cannot be made: ${own}: ${crunLog}`);
  return ending('lost', `its worker could not make its container: ${crunLog || 'crun gave no reason'}`);
}

/** Problems that a job or its image makes for its own container, on every worker, by the words of crun. */
const ownContainerProblems: readonly (readonly [RegExp, string])[] = [
  [/Argument list too long/, 'its arguments and environment are too long'],
  // Roots of containers are images, which nobody can write to: this one lacks a folder that something is mounted on.
  [/Read-only file system|Not a directory|Too many levels of symbolic links/, 'its image cannot be the root of one'],
];

function ownContainerProblem(crunLog: string): string | undefined {
  return ownContainerProblems.find(([pattern]) => pattern.test(crunLog))?.[1];
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

/** How an attempt ends whose files were not taken in. Pure. @param error what `Attempts.start` throws for it */
export function endWithoutStart(error: unknown, isStopAsked: boolean): [AttemptOutcome, Partial<AttemptReport>] {
  const reason = error instanceof Error ? error.message : String(error);
  if (isStopAsked) return ['stopped', { message: 'it was stopped before its files had arrived' }];
  if (hasCode(error, 'too_large')) return ['failed', { message: reason, limitsHit: ['disk'] }];
  if (hasCode(error, 'invalid')) return ['failed', { message: reason }];
  const fault = hasCode(error, 'aborted') ? 'transfer' : 'worker';
  const what = fault === 'transfer' ? 'its files did not arrive' : 'its worker could not take its files in';
  return ['lost', { fault, message: `${what}: ${reason}` }];
}

/**
 * Returns the facts of a run during which the worker's permission to work may have run out. A container whose init was killed, though
 * the agent did not stop it, was ended by the worker's watchdog then, because this process stood still. Pure.
 */
export function lapsedFacts(facts: RunFacts, hasLapsed: boolean): RunFacts {
  const isKilled = facts.stopReason === null && facts.status === '' && facts.isStarted;
  return hasLapsed && isKilled ? { ...facts, stopReason: 'lapsed' } : facts;
}

/** Why an attempt is lost whose worker may not work any more. */
export const lapsedMessage = 'its worker heard nothing from the control plane for too long, and ended it';
