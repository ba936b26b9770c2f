/** What workers have and jobs hold, of each kind that must never be promised twice. */
export interface Resources {
  /** A fraction is fine; sums may miss by rounding. */
  readonly cpus: number;
  readonly memoryBytes: number;
  /** For the working folder and the kept output. */
  readonly diskBytes: number;
  /** Jobs, whatever their size. */
  readonly slots: number;
}

/** CPUs are fractions; sums of them may miss by rounding. */
export const epsilon = 1e-6;

/** What one job holds. */
export function heldBy(job: Omit<Resources, 'slots'>): Resources {
  return { cpus: job.cpus, memoryBytes: job.memoryBytes, diskBytes: job.diskBytes, slots: 1 };
}

/** Whether a job fits into this. */
export function covers(free: Resources, job: Omit<Resources, 'slots'>): boolean {
  return (
    free.cpus + epsilon >= job.cpus &&
    free.memoryBytes >= job.memoryBytes &&
    free.diskBytes >= job.diskBytes &&
    free.slots >= 1
  );
}

/** Returns what both are together. */
export function plus(a: Resources, b: Resources): Resources {
  return {
    cpus: a.cpus + b.cpus,
    memoryBytes: a.memoryBytes + b.memoryBytes,
    diskBytes: a.diskBytes + b.diskBytes,
    slots: a.slots + b.slots,
  };
}

/** Returns what is left of `a`; below 0 when `b` is more. */
export function minus(a: Resources, b: Resources): Resources {
  return {
    cpus: a.cpus - b.cpus,
    memoryBytes: a.memoryBytes - b.memoryBytes,
    diskBytes: a.diskBytes - b.diskBytes,
    slots: a.slots - b.slots,
  };
}
