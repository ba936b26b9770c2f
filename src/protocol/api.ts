import { z } from 'zod';

/** The public HTTP API under /api/v1: what goes in and out. Server, CLI and web share these schemas. */

export const jobStateSchema = z.enum([
  'queued',
  'starting',
  'running',
  'succeeded',
  'failed',
  'rejected',
  'timed_out',
  'out_of_memory',
  'cancelled',
  'lost',
]);

const limitsSchema = z.strictObject({
  cpus: z.number(),
  memoryBytes: z.number(),
  processes: z.number(),
  diskBytes: z.number(),
  outputBytes: z.number(),
  timeoutMs: z.number(),
});

const labelsSchema = z
  .record(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$/), z.string().max(256))
  .refine((labels) => Object.keys(labels).length <= 32, 'at most 32 labels');

/**
 * The `spec` part of a submission. Beside it stand the file parts: `script` or `project` (a ZIP file), and perhaps `data` (a
 * ZIP file) and `requirements` (a requirements.txt). Ranges: domain/limits.ts.
 */
export const submissionSchema = z.strictObject({
  name: z.string().min(1).max(200).optional(),
  /** The file of the project to run; `main.py` unless given. */
  entrypoint: z.string().min(1).max(1_024).optional(),
  runtime: z.string().min(1).max(64).default('python'),
  args: z.array(z.string().max(32_768)).max(1_000).default([]),
  environment: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/), z.string().max(32_768)).default({}),
  limits: limitsSchema.partial().default({}),
  /** Order among your own jobs, the highest first. */
  priority: z.int().min(-100).max(100).default(0),
  labels: labelsSchema.default({}),
});
export type SubmissionBody = z.input<typeof submissionSchema>;

const syntaxProblemSchema = z.object({
  file: z.string(),
  line: z.number(),
  column: z.number(),
  message: z.string(),
  text: z.string(),
});

export const jobFileSchema = z.object({ path: z.string(), sizeBytes: z.number() });

export const jobSchema = z.object({
  id: z.string(),
  name: z.string(),
  owner: z.string(),
  state: jobStateSchema,
  ended: z.boolean(),
  /** Why it waits, or how it ended, in words. */
  reason: z.string(),
  /** Why it waits, and how many jobs would be started before it as things are; null unless queued. */
  waiting: z
    .object({ code: z.string(), text: z.string(), numbers: z.record(z.string(), z.number()), place: z.number() })
    .nullable(),
  /** Order among the owner's jobs, the highest first. */
  priority: z.number(),
  labels: z.record(z.string(), z.string()),
  runtime: z.string(),
  /** What was sent: a script, or the ZIP of a project. */
  source: z.enum(['script', 'project', 'image']),
  entrypoint: z.string(),
  args: z.array(z.string()),
  /** Bytes of what it begins with; 0 where there is none. */
  inputBytes: z.object({ script: z.number(), data: z.number(), requirements: z.number() }),
  limits: limitsSchema,
  attempt: z.number(),
  vm: z.string().nullable(),
  createdAtMs: z.number(),
  startedAtMs: z.number().nullable(),
  endedAtMs: z.number().nullable(),
  exitCode: z.number().nullable(),
  signal: z.number().nullable(),
  syntaxProblem: syntaxProblemSchema.nullable(),
  wallMs: z.number().nullable(),
  cpuMs: z.number().nullable(),
  peakMemoryBytes: z.number().nullable(),
  limitsHit: z.array(z.string()),
  outputTruncated: z.boolean(),
});
export type JobView = z.infer<typeof jobSchema>;

/** Body of POST /jobs/cancel: jobs that fit everything that is given. `{}` is all of yours. */
export const cancelSchema = z.strictObject({
  ids: z.array(z.string().max(64)).min(1).max(10_000).optional(),
  states: z
    .array(z.enum(['queued', 'starting', 'running']))
    .min(1)
    .optional(),
  labels: labelsSchema.optional(),
});
export type CancelBody = z.infer<typeof cancelSchema>;
export const cancelledSchema = z.object({
  /** Jobs that were cancelled at once. */
  cancelled: z.number(),
  /** Jobs on a worker, which ends them now. */
  stopping: z.number(),
});
export type CancelledView = z.infer<typeof cancelledSchema>;

/** Of a list that goes on: send it back as `cursor`. Null at the end. */
const nextCursor = z.string().nullable();
export const jobListSchema = z.object({ jobs: z.array(jobSchema), nextCursor });
export const jobFilesSchema = z.object({ files: z.array(jobFileSchema), nextCursor });
export type JobFileListView = z.infer<typeof jobFilesSchema>;

/** The tries of a job, the first one first. */
export const attemptListSchema = z.object({
  attempts: z.array(
    z.object({
      number: z.number(),
      vm: z.string(),
      assignedAtMs: z.number(),
      /** As `JobAttempt.outcome`: the job's final state, `requeued`, `worker_fault` or `not_started`; null while it lasts. */
      outcome: z.string().nullable(),
    }),
  ),
});
export type AttemptView = z.infer<typeof attemptListSchema>['attempts'][number];
export type JobFileView = z.infer<typeof jobFileSchema>;

export const vmSchema = z.object({
  name: z.string(),
  pool: z.string(),
  state: z.enum(['creating', 'booting', 'ready', 'warm', 'draining', 'away', 'stopping', 'failed', 'dead']),
  reason: z.string(),
  stateSinceMs: z.number(),
  createdAtMs: z.number(),
  flavor: z.string(),
  imageId: z.string(),
  /** Where its agent listens, `host:port`. */
  agent: z.string().nullable(),
  runtimes: z.array(z.string()),
  jobs: z.array(z.string()),
});
export type VmView = z.infer<typeof vmSchema>;
export const vmListSchema = z.object({ vms: z.array(vmSchema) });

/** A machine that joined by hand. */
export const workerSchema = z.object({
  name: z.string(),
  /** The name under which jobs and VMs know it. */
  vm: z.string(),
  state: vmSchema.shape.state,
  reason: z.string(),
  connected: z.boolean(),
  joinedAtMs: z.number(),
  /** What jobs may use of it; null until it has said so. */
  capacity: z
    .object({ cpus: z.number(), memoryBytes: z.number(), diskBytes: z.number(), slots: z.number() })
    .nullable(),
  runtimes: z.array(z.string()),
  jobs: z.array(z.string()),
});
export type WorkerView = z.infer<typeof workerSchema>;
export const workerListSchema = z.object({ workers: z.array(workerSchema) });

/** The runtimes that a worker should have. */
export const workerRuntimesSchema = z.object({
  runtimes: z.array(z.object({ name: z.string(), id: z.string(), sizeBytes: z.number() })),
});

export const healthSchema = z.object({
  status: z.enum(['starting', 'ready', 'stopping']),
  version: z.string(),
  readyVms: z.number(),
});
export type HealthView = z.infer<typeof healthSchema>;

/** RFC 9457 problem details; `code` is one of domain/errors.ts. */
export const problemSchema = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number(),
  detail: z.string(),
  code: z.string(),
  details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
});
export type Problem = z.infer<typeof problemSchema>;

/**
 * Events of GET /api/v1/jobs/:id/logs with `follow=true`. An output event's SSE id is `<attempt>:<offset>`, where to go
 * on after it (send it back as Last-Event-ID).
 */
export const outputEventSchema = z.object({
  stream: z.enum(['stdout', 'stderr', 'notice']),
  atMs: z.number(),
  /** Raw bytes of the stream, base64. */
  base64: z.string(),
});
export type OutputEvent = z.infer<typeof outputEventSchema>;

const reasonSchema = z.object({ code: z.string(), text: z.string(), numbers: z.record(z.string(), z.number()) });

/** One decision of the autoscaler, with everything that led to it. */
export const decisionSchema = z.object({
  pool: z.string(),
  atMs: z.number(),
  from: z.number(),
  desired: z.number(),
  action: z.enum(['out', 'in', 'none']),
  recommendations: z.array(z.object({ policy: z.string(), desired: z.number(), reason: reasonSchema })),
  limits: z.array(reasonSchema),
});
export type DecisionView = z.infer<typeof decisionSchema>;

export const poolSettingsSchema = z.strictObject({
  min: z.int().min(0).max(1000),
  max: z.int().min(0).max(1000),
  warm: z.int().min(0).max(100),
  policies: z.array(z.string().max(64)).max(16),
});
/** Body of PATCH /pools/:name; what is not named stays. */
export const poolChangeSchema = poolSettingsSchema.partial();
export const poolScaleSchema = z.strictObject({ desired: z.int().min(0).max(1000) });

export const poolSchema = z.object({
  name: z.string(),
  flavor: z.string(),
  settings: poolSettingsSchema,
  paused: z.boolean(),
  counts: z.object({
    desired: z.number(),
    ready: z.number(),
    warm: z.number(),
    booting: z.number(),
    draining: z.number(),
    failed: z.number(),
  }),
  /** Why VMs that are wanted are not launched, e.g. that the host lacks memory; null when nothing keeps them from being. */
  waitsFor: z.string().nullable(),
  /** The newest decision; null before the first, and where no policy is set. */
  decision: decisionSchema.nullable(),
});
export type PoolView = z.infer<typeof poolSchema>;
export const poolListSchema = z.object({
  pools: z.array(poolSchema),
  /** Jobs that wait for any of them. */
  queuedJobs: z.number(),
});
export type PoolListView = z.infer<typeof poolListSchema>;

/** Use of one VM, a value a second, oldest first; a gap is missing data. */
export const usageSchema = z.object({
  vm: z.string(),
  pool: z.string(),
  state: z.string(),
  samples: z.array(
    z.object({
      atMs: z.number(),
      cpu: z.number(),
      memoryBytes: z.number(),
      diskReadBytesPerSecond: z.number(),
      diskWriteBytesPerSecond: z.number(),
      networkReceiveBytesPerSecond: z.number(),
      networkTransmitBytesPerSecond: z.number(),
    }),
  ),
});
export type UsageView = z.infer<typeof usageSchema>;
export const usageListSchema = z.object({ vms: z.array(usageSchema) });

export const eventSchema = z.object({
  id: z.number(),
  atMs: z.number(),
  name: z.string(),
  pool: z.string(),
  vm: z.string().nullable(),
  text: z.string(),
  data: z.record(z.string(), z.unknown()),
});
export type EventView = z.infer<typeof eventSchema>;
export const eventListSchema = z.object({ events: z.array(eventSchema), nextCursor });
