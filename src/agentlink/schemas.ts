import { z } from 'zod';
import { errorCodes } from '../domain/errors.ts';
import {
  type AgentCapacity,
  type AgentHealth,
  type AttemptOutcome,
  type AttemptReport,
  agentSlots,
  type SyntaxProblem,
} from '../protocol/agent.ts';

// What a guest answers is a stranger's word: shapes, ranges and lengths are checked before anything is believed. Only what the
// control plane acts on must be right: which attempt it is, and its state. A measurement or a text that is out of its range
// becomes "unknown" or is cut, since a guest with a wrong clock must not cost a job its whole report.

const maxRuntimes = 1_000;
const maxReports = 10_000;

/** A whole number from 0; `otherwise` when it is anything else. */
export const countOr = (otherwise: number) =>
  z
    .number()
    .min(0)
    .transform((value) => Math.min(Math.round(value), Number.MAX_SAFE_INTEGER))
    .catch(otherwise);

/** A whole number from 0, or null: not known. */
export const measured = z.number().min(0).max(Number.MAX_SAFE_INTEGER).transform(Math.round).nullable().catch(null);

/** A text, cut to `max` characters; '' when it is none. */
export const text = (max: number) =>
  z
    .string()
    .transform((value) => value.slice(0, max))
    .catch('');

/** The entries of a list that fit the schema, at most `max`; the others are left out. */
export function listOf<T>(schema: z.ZodType<T>, max: number) {
  return z.array(z.unknown()).transform((entries) =>
    entries.slice(0, max).flatMap((entry) => {
      const parsed = schema.safeParse(entry);
      return parsed.success ? [parsed.data] : [];
    }),
  );
}

/** 0 when it is no amount: nothing is placed there then. */
const amount = z.number().min(0).max(1e15).catch(0);

const capacitySchema: z.ZodType<AgentCapacity> = z.object({
  cpus: amount,
  memoryBytes: amount,
  diskBytes: amount,
  // Agents from before protocol 1 have as many and do not say.
  slots: countOr(agentSlots),
});

export const healthSchema: z.ZodType<AgentHealth> = z.object({
  hostname: text(255),
  version: text(64),
  protocol: countOr(0),
  bootId: text(64),
  uptimeMs: countOr(0),
  clockMs: countOr(0),
  runtimes: listOf(z.string().regex(/^[a-z0-9][a-z0-9-]{0,19}$/), maxRuntimes),
  capacity: capacitySchema,
  runningAttempts: countOr(0),
  isWarmingUp: z.boolean().catch(false),
});

const syntaxProblemSchema: z.ZodType<SyntaxProblem> = z.object({
  file: text(1024),
  line: countOr(1),
  column: countOr(1),
  message: text(1000),
  text: text(400),
});

const outcomes = ['succeeded', 'failed', 'rejected', 'timed_out', 'out_of_memory', 'stopped', 'lost'] as const;
const endSchema: z.ZodType<AttemptOutcome | null> = z.enum(outcomes).nullable().catch(null);

export const reportSchema: z.ZodType<AttemptReport> = z
  .object({
    id: z.string().regex(/^[A-Za-z0-9-]{1,64}$/),
    state: z.enum(['preparing', 'running', 'ended']),
    startedAtMs: measured,
    endedAtMs: measured,
    outcome: endSchema,
    fault: z.enum(['worker', 'transfer']).nullable().catch(null),
    exitCode: z.number().int().min(0).max(255).nullable().catch(null),
    signal: z.number().int().min(1).max(64).nullable().catch(null),
    syntaxProblem: syntaxProblemSchema.nullable().catch(null),
    message: text(4_000),
    wallMs: measured,
    cpuMs: measured,
    peakMemoryBytes: measured,
    outputLogBytes: countOr(0),
    outputTruncated: z.boolean().catch(false),
    // There may be some: who asks for the files finds out.
    producedFiles: countOr(1),
    limitsHit: listOf(z.enum(['memory', 'processes', 'disk', 'output', 'time']), 5).catch([]),
  })
  .transform(withKnownEnd);

export const reportsSchema: z.ZodType<AttemptReport[]> = listOf(reportSchema, maxReports);

/** An end that nobody can read is the worker's trouble, and so is a loss whose fault it does not say. */
function withKnownEnd(report: AttemptReport): AttemptReport {
  if (report.state !== 'ended') return { ...report, outcome: null, fault: null };
  if (report.outcome !== null && report.outcome !== 'lost') return { ...report, fault: null };
  const message = report.message || 'its agent does not say how it ended';
  return { ...report, outcome: 'lost', fault: report.fault ?? 'worker', message };
}

const codes = Object.keys(errorCodes) as [keyof typeof errorCodes, ...(keyof typeof errorCodes)[]];
export const agentErrorSchema = z.object({ code: z.enum(codes), message: text(4_000) });
