import { z } from 'zod';
import { decisionSchema, eventSchema, poolSchema, usageSchema } from './api.ts';

/**
 * A recording of the cloud: JSON lines, one object a line, told apart by `type` (docs/live-view.md). It begins with a
 * header; a file that was appended to has one for each time. Times are the server's, milliseconds since 1970.
 * Readers pass over types that they do not know, so that others may add theirs to the same file.
 */
export const recordingFormat = 'tidepool-recording';
export const recordingVersion = 1;
/** Longest line, its end included. */
export const maxLineBytes = 1024 ** 2;
export const maxRecordingBytes = 1024 ** 3;

export const headerLineSchema = z.object({
  type: z.literal('header'),
  format: z.literal(recordingFormat),
  version: z.int().min(1),
  atMs: z.number(),
  /** Address of the server. */
  server: z.string().max(2_048),
  /** Time from one sample to the next. */
  intervalMs: z.number().positive(),
});

/** A pool at one time, and what its VMs (or some of them: the rest are on the next line) used since the last. */
export const sampleLineSchema = z.object({
  type: z.literal('sample'),
  atMs: z.number(),
  pool: z.string().max(64),
  min: z.number(),
  max: z.number(),
  counts: poolSchema.shape.counts,
  /** Jobs that wait, of all pools. */
  queued: z.number(),
  vms: z.array(
    z.object({ vm: z.string().max(200), state: z.string().max(64), samples: usageSchema.shape.samples.max(600) }),
  ),
});

export const eventLineSchema = z.object({ type: z.literal('event'), ...eventSchema.shape });

/** A decision that differs from the one before it in more than its numbers, or a repetition after a minute. */
export const decisionLineSchema = z.object({
  type: z.literal('decision'),
  /** Decided, but not carried out. */
  paused: z.boolean(),
  ...decisionSchema.shape,
});

/** How a request of the load client ends (docs/load.md). */
export const requestOutcomes = [
  'ok',
  'http 4xx',
  'http 5xx',
  'bad answer',
  'connect',
  'reset',
  'timeout',
  'no server',
  'dropped',
] as const;
export type RequestOutcome = (typeof requestOutcomes)[number];

/** Requests on one line at most. */
export const mostRequestsPerLine = 5_000;
const column = z.array(z.number()).max(mostRequestsPerLine);
const indexColumn = z.array(z.int().min(0)).max(mostRequestsPerLine);

/** Requests that ended since the line before, in columns of the same length. Times are the load client's. */
export const requestsLineSchema = z
  .object({
    type: z.literal('requests'),
    atMs: z.number(),
    /** Of the service. */
    pool: z.string().max(64),
    /** Who answered; '' where nobody did. */
    servers: z.array(z.string().max(200)).max(mostRequestsPerLine),
    /** When each was due, after `atMs`. */
    dueMs: column,
    /** From when it was due until it ended. */
    tookMs: column,
    /** Index into `servers`. */
    server: indexColumn,
    /** Index into `requestOutcomes`. */
    outcome: z
      .array(
        z
          .int()
          .min(0)
          .max(requestOutcomes.length - 1),
      )
      .max(mostRequestsPerLine),
    /** Requests that ended too but are not written down, because writing did not keep up. */
    omitted: z.int().min(0),
  })
  .refine(
    ({ servers, dueMs, tookMs, server, outcome }) =>
      [tookMs, server, outcome].every((other) => other.length === dueMs.length) &&
      server.every((index) => index < servers.length),
    'columns differ in length, or name a server that is not there',
  );

export const recordingLineSchema = z.discriminatedUnion('type', [
  headerLineSchema,
  sampleLineSchema,
  eventLineSchema,
  decisionLineSchema,
  requestsLineSchema,
]);
export type RecordingLine = z.infer<typeof recordingLineSchema>;
export type HeaderLine = z.infer<typeof headerLineSchema>;
export type SampleLine = z.infer<typeof sampleLineSchema>;
export type EventLine = z.infer<typeof eventLineSchema>;
export type DecisionLine = z.infer<typeof decisionLineSchema>;
export type RequestsLine = z.infer<typeof requestsLineSchema>;
