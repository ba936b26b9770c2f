/**
 * The API between the control plane and the agent in a VM: HTTP/1.1 over TLS-PSK, agent is the server.
 *
 *   GET    /v1/health                         -> AgentHealth
 *   POST   /v1/clock?nowMs=N                  -> AgentHealth; sets the guest's clock (a paused VM's stands still) to N
 *                                              milliseconds since 1970, as of the sending
 *   GET    /v1/attempts                       -> AttemptReport[]
 *   POST   /v1/attempts                       <- attempt body (below)   -> its output from byte 0
 *   GET    /v1/attempts/:id                   -> AttemptReport
 *   GET    /v1/attempts/:id/output?offset=N   -> its output from byte N
 *   POST   /v1/attempts/:id/stop              -> AttemptReport; TERM, then KILL of the whole cgroup after the grace
 *   GET    /v1/attempts/:id/files             -> file stream (protocol/file-stream.ts) of ./out, ended attempts only
 *   DELETE /v1/attempts?ids=ID,ID             -> 204; forgets them and frees their disk. Stops first what still runs; what
 *                                              it does not know is gone already
 *
 * Attempt body: one line of JSON (AttemptSpec), a newline, then a file stream of the working folder.
 * Starting is idempotent by id: a second POST of a known id starts nothing.
 * Output: answered when the attempt runs or has ended, which of the two is in the head (`stateHeader`); the body is frames
 * of the frame log and held open until it ended; then comes the AttemptReport as a trailer (`reportTrailer`), JSON in
 * ASCII. An attempt that still prepares after `preparingHoldMs` is answered with 202 and is to be asked for again.
 * Errors: `{ "code": ErrorCode, "message": string }` with the status of that code (domain/errors.ts).
 *
 * This file has no imports: it is part of the agent's bundle as well as of the control plane.
 */

export const agentPort = 9000;
/**
 * Number of this API's version. It grows with each change that the other end must know of. 0: an agent that does not say,
 * which is one from before the number.
 */
export const agentProtocol = 1;
/** Attempts that an agent has places for, running or with files that were not fetched yet. */
export const agentSlots = 256;
/** fw_cfg names under opt/tidepool/ that the agent reads at start. */
export const agentSecretNames = { key: 'agent-key', keyId: 'agent-key-id', hostname: 'hostname' } as const;
/** TLS 1.2 suites with a pre-shared key and forward secrecy; Node's PSK callback does not cover TLS 1.3. */
export const agentTlsCiphers = 'ECDHE-PSK-CHACHA20-POLY1305:DHE-PSK-AES256-GCM-SHA384';
/** Name of the header before an attempt's output: `running` or `ended`. */
export const stateHeader = 'tidepool-state';
/** Name of the trailer after it. */
export const reportTrailer = 'tidepool-report';
/** For so long the output of an attempt that prepares is not answered. */
export const preparingHoldMs = 5_000;
/**
 * Name of the header of each answer: the agent's `uptimeMs` when it answered.
 */
export const uptimeHeader = 'tidepool-uptime';
/**
 * Name of a request's header: the agent's own uptime in milliseconds until which its attempts may run. When it has passed, the
 * agent kills them (`lost`, fault `worker`), and starts none until a request allows more. A machine that was never sent one
 * has no such limit.
 */
export const workUntilHeader = 'tidepool-work-until';
/** Between TERM and KILL when an attempt is stopped or timed out. */
export const stopGraceMs = 2_000;

export interface AgentHealth {
  readonly hostname: string;
  /** Content hash of the agent bundle. */
  readonly version: string;
  /** `agentProtocol` of the agent. */
  readonly protocol: number;
  readonly bootId: string;
  /** Monotonic milliseconds since the guest kernel started. */
  readonly uptimeMs: number;
  /** Milliseconds since 1970 by the guest's clock. */
  readonly clockMs: number;
  readonly runtimes: readonly string[];
  /** What jobs together may use, after the agent's own reserve. */
  readonly capacity: AgentCapacity;
  readonly runningAttempts: number;
  /** It takes work, and still prepares to take more of it quickly: it should not be paused yet. */
  readonly isWarmingUp: boolean;
}

export interface AgentCapacity {
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly diskBytes: number;
  /** Attempts that it has places for; fewer than `agentSlots` when some can no longer be used. */
  readonly slots: number;
}

export interface AttemptLimits {
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly processes: number;
  readonly diskBytes: number;
  readonly outputBytes: number;
  readonly timeoutMs: number;
}

export interface AttemptSpec {
  /** `<job id>-<attempt number>`: letters, digits, dashes; at most 64 characters. */
  readonly id: string;
  readonly runtime: string;
  /** File to run, relative to the working folder, e.g. `x.py`. Compile-checked before anything runs. See also `image`. */
  readonly entrypoint: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly limits: AttemptLimits;
  /** False: no network device but loopback. */
  readonly network: boolean;
  /** How the image that the runtime was made of says that it is run; null: as the built-in runtimes. */
  readonly image: AttemptImage | null;
}

export interface AttemptImage {
  /** In the container. 0 to 65534. */
  readonly uid: number;
  readonly gid: number;
  /** Set: this is run in place of Python with the entrypoint, which is '' then, and nothing is compiled first. */
  readonly command: readonly string[] | null;
  /**
   * Absolute and free of links. The working folder is seen there, and begins with a copy of what the runtime has there.
   * Null: /work, and nothing but the attempt's files.
   */
  readonly workingFolder: string | null;
}

/** How an attempt ended. `lost`: it did not end by anything that the script did; see `AttemptFault`. */
export type AttemptOutcome = 'succeeded' | 'failed' | 'rejected' | 'timed_out' | 'out_of_memory' | 'stopped' | 'lost';

/**
 * Whose fault it is that an attempt was lost. `worker`: the agent's own trouble, e.g. no container could be made, or the agent
 * was restarted under it. `transfer`: its files did not arrive, and it never started.
 */
export type AttemptFault = 'worker' | 'transfer';

/** Where Python's compiler stopped. Line and column count from 1. */
export interface SyntaxProblem {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
  /** The source line, without its line end; at most 400 characters. */
  readonly text: string;
}

export interface AttemptReport {
  readonly id: string;
  readonly state: 'preparing' | 'running' | 'ended';
  readonly startedAtMs: number | null;
  readonly endedAtMs: number | null;
  /** Null until ended. */
  readonly outcome: AttemptOutcome | null;
  /** Null unless the outcome is `lost`. */
  readonly fault: AttemptFault | null;
  /** The process's own exit code; null when a signal ended it or it never ran. */
  readonly exitCode: number | null;
  /** Signal number, e.g. 9. */
  readonly signal: number | null;
  readonly syntaxProblem: SyntaxProblem | null;
  /** One sentence for a person on what went wrong outside the script (limit hit, container failed), or ''. */
  readonly message: string;
  readonly wallMs: number | null;
  readonly cpuMs: number | null;
  readonly peakMemoryBytes: number | null;
  /** Length of the frame log so far. */
  readonly outputLogBytes: number;
  readonly outputTruncated: boolean;
  /** Files of ./out that can be had; 0 until ended. */
  readonly producedFiles: number;
  /** The cgroup or quota limit that the attempt ran into, if any. */
  readonly limitsHit: readonly ('memory' | 'processes' | 'disk' | 'output' | 'time')[];
}

/** A report before anything is known. */
export function newReport(id: string): AttemptReport {
  return {
    id,
    state: 'preparing',
    startedAtMs: null,
    endedAtMs: null,
    outcome: null,
    fault: null,
    exitCode: null,
    signal: null,
    syntaxProblem: null,
    message: '',
    wallMs: null,
    cpuMs: null,
    peakMemoryBytes: null,
    outputLogBytes: 0,
    outputTruncated: false,
    producedFiles: 0,
    limitsHit: [],
  };
}
