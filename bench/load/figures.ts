/** What a client has done. */
export interface Figures {
  readonly ok: number;
  readonly failed: number;
  readonly seconds: number;
  /** CPU time that it took of its core. */
  readonly cpuSeconds: number;
}

/** With the CPU time since `before`. */
export function figures(counts: Omit<Figures, 'cpuSeconds'>, before: NodeJS.CpuUsage): Figures {
  const { user, system } = process.cpuUsage(before);
  return { ...counts, cpuSeconds: (user + system) / 1e6 };
}
