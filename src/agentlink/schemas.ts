import { z } from 'zod';
import { errorCodes } from '../domain/errors.ts';
import type { AgentHealth, AttemptReport } from '../protocol/agent.ts';

// What a guest answers is a stranger's word: shapes, ranges and lengths are checked before anything is believed.

const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const positive = z.number().positive().max(1e15);
const text = (max: number) => z.string().max(max);
const attemptId = z.string().regex(/^[A-Za-z0-9-]{1,64}$/);

export const healthSchema: z.ZodType<AgentHealth> = z.object({
  hostname: text(255),
  version: text(64),
  bootId: text(64),
  uptimeMs: count,
  clockMs: count,
  runtimes: z.array(z.string().regex(/^[a-z0-9][a-z0-9-]{0,15}$/)).max(64),
  capacity: z.object({ cpus: positive, memoryBytes: positive, diskBytes: positive }),
  runningAttempts: count,
  isWarmingUp: z.boolean(),
});

const syntaxProblemSchema = z.object({
  file: text(1024),
  line: count,
  column: count,
  message: text(1000),
  text: text(400),
});

export const reportSchema: z.ZodType<AttemptReport> = z.object({
  id: attemptId,
  state: z.enum(['preparing', 'running', 'ended']),
  startedAtMs: count.nullable(),
  endedAtMs: count.nullable(),
  outcome: z.enum(['succeeded', 'failed', 'rejected', 'timed_out', 'out_of_memory', 'stopped', 'lost']).nullable(),
  exitCode: z.number().int().min(0).max(255).nullable(),
  signal: z.number().int().min(1).max(64).nullable(),
  syntaxProblem: syntaxProblemSchema.nullable(),
  message: text(4_000),
  wallMs: count.nullable(),
  cpuMs: count.nullable(),
  peakMemoryBytes: count.nullable(),
  outputLogBytes: count,
  outputTruncated: z.boolean(),
  producedFiles: count,
  limitsHit: z.array(z.enum(['memory', 'processes', 'disk', 'output', 'time'])).max(5),
});

export const reportsSchema = z.array(reportSchema).max(10_000);

const codes = Object.keys(errorCodes) as [keyof typeof errorCodes, ...(keyof typeof errorCodes)[]];
export const agentErrorSchema = z.object({ code: z.enum(codes), message: text(4_000) });
