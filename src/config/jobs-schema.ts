import { z } from 'zod';

/** Limits of one user; without a number there is none. */
const userLimits = {
  maxRunning: z.int().min(1).max(1_000_000).optional(),
  maxCpus: z.number().min(0.1).max(1_000_000).optional(),
  maxQueued: z.int().min(1).max(1_000_000).optional(),
};

/** `jobs` of the configuration: the queue, and how it is scheduled. */
export const jobsSchema = z.strictObject({
  maxQueued: z.int().min(1).max(1_000_000).default(100_000),
  /** Starts of one job in all, when workers are lost under it. */
  maxAttempts: z.int().min(1).max(10).default(3),
  maxUploadBytes: z
    .int()
    .min(1024)
    .max(1024 ** 4)
    .default(1024 ** 3),
  placement: z.enum(['pack', 'spread', 'round-robin']).default('pack'),
  fairness: z
    .strictObject({
      /** After this time what a user has had counts half. */
      halfLifeMs: z
        .int()
        .min(1_000)
        .max(366 * 24 * 3_600_000)
        .default(24 * 3_600_000),
      /** A user whose first job has waited so long goes before all others. */
      maxWaitMs: z
        .int()
        .min(1_000)
        .max(366 * 24 * 3_600_000)
        .default(4 * 3_600_000),
    })
    .prefault({}),
  /** Of each user. */
  limits: z.strictObject(userLimits).prefault({}),
  /** Users by name, where they differ. */
  users: z
    .record(
      z.string().min(1).max(64),
      z.strictObject({ ...userLimits, weight: z.number().min(0.001).max(1_000_000).optional() }),
    )
    .default({}),
});
export type JobsConfig = z.output<typeof jobsSchema>;
