import { Cron } from 'croner';
import { z } from 'zod';
import { defaultP99, leastP99 } from './queueing.ts';

const ms = (most: number) => z.int().min(0).max(most);
const hour = 3_600_000;

/**
 * Windows and cooldowns of a policy, one of each for both directions. A policy grows by the least that it wanted within
 * `stabiliseOutMs` and shrinks to the most that it wanted within `stabiliseInMs`. After a change of the pool it waits
 * `cooldownOutMs` before it grows, counted from the last growth, and `cooldownInMs` before it shrinks, counted from the
 * last change of either direction.
 */
function windows(defaults: { stabiliseInMs: number; cooldownInMs: number }) {
  return {
    name: z
      .string()
      .regex(/^[a-z][a-z0-9-]{0,30}$/, 'lower-case letters, digits and dashes')
      .optional(),
    stabiliseOutMs: ms(hour).default(0),
    stabiliseInMs: ms(hour).default(defaults.stabiliseInMs),
    cooldownOutMs: ms(hour).default(0),
    cooldownInMs: ms(hour).default(defaults.cooldownInMs),
  };
}

/** Samples are kept for ten minutes; a longer window would always be incomplete. */
const windowMs = z.int().min(1_000).max(600_000);
const cpu = z.number().min(0.01).max(1);

const ruleSchema = z.strictObject({
  /** `mean`: the mean of the whole window; `every`: each single second of it. */
  test: z.enum(['mean', 'every']),
  windowMs,
  /** Share of full use, 0 to 1. */
  cpu,
  /** Whether exactly `cpu` fulfils the rule. */
  orEqual: z.boolean().default(false),
});

/** Sustained CPU in a window: grow by a step above one limit, shrink by one VM below another. */
export const thresholdSchema = z.strictObject({
  kind: z.literal('threshold'),
  ...windows({ stabiliseInMs: 0, cooldownInMs: 0 }),
  out: ruleSchema.extend({
    /** A step is so many VMs, or so much of those that are ready, whichever is more. */
    stepVms: z.int().min(1).max(1_000).default(1),
    stepPercent: z.number().min(0).max(100).default(0),
  }),
  /**
   * When to shrink, by one VM: CPU below `cpu` by the same tests, or `oneFewer`: the mean would be below `cpu` with one VM
   * fewer. The window begins anew after each change of the pool. Null: never.
   */
  in: z.union([ruleSchema, z.strictObject({ test: z.literal('oneFewer'), windowMs, cpu })]).nullable(),
});

/** The arithmetic of the Kubernetes HPA on CPU. */
export const targetSchema = z.strictObject({
  kind: z.literal('target'),
  ...windows({ stabiliseInMs: 300_000, cooldownInMs: 0 }),
  cpu: cpu.default(0.8),
  tolerance: z.number().min(0).max(1).default(0.1),
  /** CPU is averaged over this; the HPA's metrics server has 15 s. */
  windowMs: windowMs.default(15_000),
});

/** Queued work per worker and its expected time. */
export const backlogSchema = z.strictObject({
  kind: z.literal('backlog'),
  ...windows({ stabiliseInMs: 60_000, cooldownInMs: 0 }),
  /** Pieces of work that may wait for each VM while their length is not known. */
  waitingPerVm: z.number().min(0.01).max(100_000).default(1),
  /** Work should be begun within this, once its length is known. */
  maxWaitMs: ms(24 * hour)
    .min(1)
    .default(60_000),
});

const cronField = z.string().max(100).refine(isCron, 'not a cron expression (minute hour day month weekday)');

/** At least so many VMs from one cron time to another, ready when the time comes. */
export const scheduleSchema = z.strictObject({
  kind: z.literal('schedule'),
  ...windows({ stabiliseInMs: 0, cooldownInMs: 0 }),
  times: z
    .array(
      z.strictObject({
        start: cronField,
        end: cronField,
        timezone: z.string().refine(isTimezone, 'not a time zone as in Europe/Paris').default('UTC'),
        vms: z.int().min(0).max(1_000),
      }),
    )
    .min(1)
    .max(100),
});

/** The load that is expected when a VM launched now is ready. */
export const predictSchema = z.strictObject({
  kind: z.literal('predict'),
  ...windows({ stabiliseInMs: 0, cooldownInMs: 0 }),
  /** 99 % of requests shall be answered within so many mean service times. */
  p99: z
    .number()
    .min(leastP99 * 1.001)
    .max(100_000)
    .default(defaultP99),
  /** Reserve on top of the expected load, as a share of it. */
  margin: z.number().min(0).max(10).default(0),
  /** How far back the trend is looked for. */
  trendMs: ms(hour).min(10_000).default(300_000),
  /** A trend is believed as far as it exceeds so many standard deviations of the load around it. */
  certainty: z.number().min(0).max(100).default(2),
  /** Noise that is too quick to be followed is covered: so many standard deviations of it. */
  noiseCover: z.number().min(0).max(100).default(3),
  /** Time to get a VM ready while none was measured. */
  bootMs: ms(hour).default(30_000),
});

/** One policy as the configuration and the API have it. `name` is its kind unless given. */
export const policySchema = z
  .discriminatedUnion('kind', [thresholdSchema, targetSchema, backlogSchema, scheduleSchema, predictSchema])
  .transform((policy) => ({ ...policy, name: policy.name ?? policy.kind }));

export type PolicyInput = z.input<typeof policySchema>;
export type Policy = z.output<typeof policySchema>;
export type PolicyOf<K extends Policy['kind']> = Extract<Policy, { kind: K }>;

function isCron(text: string): boolean {
  if (text.trim().split(/\s+/).length !== 5) return false;
  try {
    return new Cron(text, { paused: true }).nextRun() !== null;
  } catch {
    return false;
  }
}

function isTimezone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
