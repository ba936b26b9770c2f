/** What somebody set for a pool; the rest is measured or decided. */
export interface PoolSettings {
  /** Bounds of the number of VMs in service; never left. */
  readonly min: number;
  readonly max: number;
  /** VMs kept booted and paused beside those in service. */
  readonly warm: number;
  /** The autoscaler decides, but nothing is changed. */
  readonly paused: boolean;
  /** Names of presets or of policies of the configuration; none: the size is set by hand. */
  readonly policies: readonly string[];
}

/** A pool's row: what must survive a restart. */
export interface PoolState {
  readonly name: string;
  /** VMs that are wanted in service. */
  readonly desired: number;
  /** Settings that were changed while running; they win over the configuration. */
  readonly overrides: Partial<PoolSettings>;
}

/** A part of the server that keeps something with a pool over a restart. */
export type PoolNotePart = 'planner' | 'launches';

/** What a part of the server wrote down about a pool, so that its next start goes on where this one ended. */
export interface PoolNote {
  /** Of the body. A format that the reader does not know counts as no note. */
  readonly format: number;
  readonly savedAtMs: number;
  /** JSON; at most some ten thousand bytes. */
  readonly body: unknown;
}

/** VMs of a pool by state. Each is counted once, and the numbers are never mixed. */
export interface PoolCounts {
  readonly desired: number;
  readonly ready: number;
  readonly warm: number;
  readonly booting: number;
  readonly draining: number;
  readonly failed: number;
}
