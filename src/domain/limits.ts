/** What one run of a job may use. Enforced in the guest; see `agent/`. */
export interface JobLimits {
  /** CPUs, a fraction is fine: 0.1 to 64. */
  readonly cpus: number;
  /** Memory of the whole container, swap is 0. */
  readonly memoryBytes: number;
  /** Processes and threads. */
  readonly processes: number;
  /** Bytes in the working folder (script, data, out together). */
  readonly diskBytes: number;
  /** Kept bytes of stdout and stderr together; what comes after is dropped and said so. */
  readonly outputBytes: number;
  /** Wall time of the run, from container start. */
  readonly timeoutMs: number;
}

const MiB = 1024 * 1024;

export const defaultJobLimits: JobLimits = {
  cpus: 1,
  memoryBytes: 1024 * MiB,
  processes: 256,
  diskBytes: 1024 * MiB,
  outputBytes: 128 * MiB,
  timeoutMs: 10 * 60_000,
};

/** A frame log takes at most twice its output, since each piece has a header. */
const logBytesPerOutputByte = 2;

/** Disk that a job may fill on its worker: its working folder, and the log of its output. */
export function heldDiskBytes({ diskBytes, outputBytes }: Pick<JobLimits, 'diskBytes' | 'outputBytes'>): number {
  return diskBytes + logBytesPerOutputByte * outputBytes;
}

/** The range in which each limit may be asked for, both ends included. */
export const jobLimitRanges: { readonly [K in keyof JobLimits]: { readonly min: number; readonly max: number } } = {
  cpus: { min: 0.1, max: 64 },
  memoryBytes: { min: 16 * MiB, max: 1024 * 1024 * MiB },
  processes: { min: 1, max: 32_768 },
  diskBytes: { min: MiB, max: 1024 * 1024 * MiB },
  outputBytes: { min: 1024, max: 1024 * MiB },
  timeoutMs: { min: 100, max: 7 * 24 * 3_600_000 },
};
