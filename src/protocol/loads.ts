import { z } from 'zod';

/** Load that the server itself makes for a service, under /api/v1/services/NAME/load. */

/** The server is one process, which has more to do: who wants more uses the load client. */
export const leastEveryMs = 5;
export const longestLoadMs = 3_600_000;

/** The body of PUT: how requests are made, and for how long. */
export const loadBodySchema = z.strictObject({
  /** One request each so many milliseconds, whatever becomes of those before. */
  everyMs: z.number().min(leastEveryMs).max(86_400_000),
  forMs: z.int().min(1_000).max(longestLoadMs).default(600_000),
  /** Of http services; `{n}` and `{random:1-9}` stand for numbers, as in the load client. */
  path: z.string().max(2_048).default('/'),
  /** Of tcp and udp services: text, or `0x` and hexadecimal digits. */
  payload: z.string().max(4_096).optional(),
});
/** With what was not given. */
export type LoadWish = z.output<typeof loadBodySchema>;

/** Response times count from when a request was due; null where none has ended. */
const timesSchema = { p50Ms: z.number().nullable(), p99Ms: z.number().nullable() };

const loadFiguresSchema = z.object({
  seconds: z.number(),
  ended: z.number(),
  failed: z.number(),
  ...timesSchema,
  /** As the answers name who gave them. */
  vms: z.array(z.object({ name: z.string(), ended: z.number(), failed: z.number(), ...timesSchema })),
});
export type LoadFigures = z.infer<typeof loadFiguresSchema>;

export const loadSchema = z.object({
  state: z.enum(['running', 'ended']),
  everyMs: z.number(),
  /** What is sent. */
  path: z.string(),
  payload: z.string().nullable(),
  startedAtMs: z.number(),
  /** When it ends by itself, or has ended. */
  endsAtMs: z.number(),
  /** Requests that have no answer yet. */
  inFlight: z.number(),
  /** Of the last second. */
  recent: loadFiguresSchema,
  total: loadFiguresSchema,
});
export type LoadView = z.infer<typeof loadSchema>;
/** Null: there was none since the server started. */
export const loadAnswerSchema = z.object({ load: loadSchema.nullable() });
