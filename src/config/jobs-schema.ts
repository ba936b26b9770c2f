import { z } from 'zod';

/** Limits of one user; without a number there is none. */
const userLimits = {
  maxRunning: z.int().min(1).max(1_000_000).optional(),
  maxCpus: z.number().min(0.1).max(1_000_000).optional(),
  maxQueued: z.int().min(1).max(1_000_000).optional(),
};

/** All that their jobs keep: inputs, produced files, logs. */
const maxStoredBytes = z
  .int()
  .min(0)
  .max(1024 ** 5);
const maxAgeMs = 10 * 366 * 24 * 3_600_000;

/** How long ended jobs are kept; without a number for ever. */
const retentionSchema = z.strictObject({
  maxAgeMs: z.int().min(60_000).max(maxAgeMs).optional(),
  /** Of each user, the newest. */
  maxJobs: z.int().min(1).max(1_000_000).optional(),
  /** Of each user; the oldest go first. */
  maxBytes: maxStoredBytes.optional(),
});

/** `jobs` of the configuration: the queue, and how it is scheduled. */
export const jobsSchema = z.strictObject({
  maxQueued: z.int().min(1).max(1_000_000).default(100_000),
  /** Starts of one job in all, when workers are lost under it. */
  maxAttempts: z.int().min(1).max(100).default(3),
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
  /** What the requirements of jobs are installed from; without it they are refused. */
  pip: z
    .union([
      z.strictObject({
        indexUrl: z.url({ protocol: /^https?$/ }),
        /** Hosts that the index sends pip to for the files, beside its own. */
        hosts: z
          .array(z.string().regex(/^[a-z0-9.-]+(:\d+)?$/i))
          .max(20)
          .default([]),
      }),
      z.strictObject({ wheelDir: z.string().startsWith('/', 'an absolute path') }),
    ])
    .optional(),
  /** Of each user. */
  limits: z.strictObject({ ...userLimits, maxStoredBytes: maxStoredBytes.default(20 * 1024 ** 3) }).prefault({}),
  /** Users by name, where they differ. */
  users: z
    .record(
      z.string().min(1).max(64),
      z.strictObject({
        ...userLimits,
        maxStoredBytes: maxStoredBytes.optional(),
        weight: z.number().min(0.001).max(1_000_000).optional(),
      }),
    )
    .default({}),
  retention: retentionSchema.prefault({}),
});
export type JobsConfig = z.output<typeof jobsSchema>;
