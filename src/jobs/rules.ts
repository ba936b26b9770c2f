/** Where a job goes of the workers that have room for it. */
export const placements = {
  /** To the fullest: others stay idle, so that a pool can shrink. */
  pack: 'pack',
  /** To the emptiest: jobs disturb each other least. */
  spread: 'spread',
  /** To the next by name after the one that got the job before. */
  'round-robin': 'round-robin',
} as const;
export type Placement = keyof typeof placements;

/** What one user may have. Infinity is no limit. */
export interface UserRules {
  /** A user of weight 2 gets twice what one of weight 1 gets when both have work waiting. Above 0. */
  readonly weight: number;
  /** Jobs that run at one time. */
  readonly maxRunning: number;
  /** CPUs of the jobs that run at one time. */
  readonly maxCpus: number;
  /** Jobs that wait. */
  readonly maxQueued: number;
}

export interface SchedulingRules {
  readonly placement: Placement;
  /** After this time what a user has had counts half. */
  readonly halfLifeMs: number;
  /** A user whose first job has waited so long goes before all others, however much he has had. */
  readonly maxWaitMs: number;
  userRules(user: string): UserRules;
}

export const defaultUserRules: UserRules = {
  weight: 1,
  maxRunning: Number.POSITIVE_INFINITY,
  maxCpus: Number.POSITIVE_INFINITY,
  maxQueued: Number.POSITIVE_INFINITY,
};
