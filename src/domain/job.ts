import type { SyntaxProblem } from '../protocol/agent.ts';
import type { JobLimits } from './limits.ts';

/**
 * A job: a script with its data, run once, output kept. One row of the table below per state; the server, the CLI and
 * the fakes all read it, so what may happen in a state is written in one place.
 */
export type JobState =
  | 'queued'
  | 'starting'
  | 'running'
  | 'succeeded'
  | 'failed'
  | 'rejected'
  | 'timed_out'
  | 'out_of_memory'
  | 'cancelled'
  | 'lost';

export type JobAction = 'assign' | 'run' | 'finish' | 'requeue' | 'cancel' | 'reject';

interface JobStateRow {
  readonly ended: boolean;
  readonly actions: readonly JobAction[];
  /** For a person: what it means. */
  readonly meaning: string;
}

export const jobStates: Readonly<Record<JobState, JobStateRow>> = {
  queued: { ended: false, actions: ['assign', 'cancel', 'reject'], meaning: 'waits for a worker' },
  starting: { ended: false, actions: ['run', 'finish', 'requeue', 'cancel'], meaning: 'is being sent to a worker' },
  running: { ended: false, actions: ['finish', 'requeue', 'cancel'], meaning: 'runs on a worker' },
  succeeded: { ended: true, actions: [], meaning: 'ended with exit code 0' },
  failed: { ended: true, actions: [], meaning: 'ended with another exit code, or by a signal' },
  rejected: { ended: true, actions: [], meaning: 'does not compile, or lacks what it requires; nothing was run' },
  timed_out: { ended: true, actions: [], meaning: 'was stopped at its time limit' },
  out_of_memory: { ended: true, actions: [], meaning: 'was killed at its memory limit' },
  cancelled: { ended: true, actions: [], meaning: 'was cancelled' },
  lost: {
    ended: true,
    actions: [],
    meaning: 'its workers were lost or could not run it, and it may not be tried again',
  },
};

/** Whether a job in this state may take this action. */
export function jobCan(state: JobState, action: JobAction): boolean {
  return jobStates[state].actions.includes(action);
}

export const priorityRange = { min: -100, max: 100 } as const;

/** What the user asked for; never changes after submission. */
export interface JobSpec {
  /** For a person; the script's file name unless given. */
  readonly name: string;
  /** The file to run, by its path in the working folder. */
  readonly entrypoint: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly runtime: string;
  readonly limits: JobLimits;
  readonly network: boolean;
  /** Order among the owner's jobs, see `priorityRange`; it gives nothing over other users. */
  readonly priority: number;
  /** For finding and cancelling many at once. */
  readonly labels: Readonly<Record<string, string>>;
  /**
   * Whether `scriptBlob` is the script alone, or the ZIP of a project that is unpacked to the working folder; `image`: the
   * command of the runtime's image is run, there is no script, and `entrypoint` is ''.
   */
  readonly source: 'script' | 'project' | 'image';
  /** Content address. */
  readonly scriptBlob: string | null;
  /** Content address of the dataset ZIP, unpacked to ./data; null when there is none. */
  readonly dataBlob: string | null;
  /** Content address of the `requirements.txt`, what must be installed before it runs; null when there is none. */
  readonly requirementsBlob: string | null;
  /** Bytes of these blobs; 0 where there is none. */
  readonly inputBytes: InputBytes;
}

export interface InputBytes {
  readonly script: number;
  readonly data: number;
  readonly requirements: number;
}

/** How a run went: the evidence behind the final state. */
export interface JobResult {
  readonly exitCode: number | null;
  readonly signal: number | null;
  readonly syntaxProblem: SyntaxProblem | null;
  /** One sentence on what happened, for a person. */
  readonly message: string;
  readonly wallMs: number | null;
  readonly cpuMs: number | null;
  readonly peakMemoryBytes: number | null;
  readonly limitsHit: readonly string[];
  readonly outputTruncated: boolean;
}

export interface Job {
  readonly id: string;
  readonly owner: string;
  readonly state: JobState;
  readonly spec: JobSpec;
  /** The current attempt's number, from 1; 0 before the first. It is the fencing number of every report. */
  readonly attempt: number;
  /** The worker of the current attempt. */
  readonly vmName: string | null;
  readonly cancelRequested: boolean;
  /** Milliseconds since 1970. */
  readonly createdAtMs: number;
  readonly startedAtMs: number | null;
  readonly endedAtMs: number | null;
  /** Null until ended. */
  readonly result: JobResult | null;
}

/** A file that a job wrote to ./out. */
export interface JobFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly blob: string;
}

export const emptyResult: JobResult = {
  exitCode: null,
  signal: null,
  syntaxProblem: null,
  message: '',
  wallMs: null,
  cpuMs: null,
  peakMemoryBytes: null,
  limitsHit: [],
  outputTruncated: false,
};

/** The name under which an agent knows an attempt. */
export function attemptId(jobId: string, attempt: number): string {
  return `${jobId}-${attempt}`;
}
