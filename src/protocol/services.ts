import { z } from 'zod';
import { poolSettingsSchema } from './api.ts';

/** Services in the public API under /api/v1/services: what goes in and out. Ranges: src/services/check.ts. */

/** Of each file that is deployed, and how many there may be. */
export const maxServiceFileBytes = 1024 ** 2;
export const maxServiceFiles = 16;

export const serviceProtocolSchema = z.enum(['http', 'tcp', 'udp']);

const entrySchema = z.discriminatedUnion('kind', [
  /** A function `handler` in one of the files. */
  z.strictObject({ kind: z.literal('handler'), file: z.string().max(255) }),
  /** A program that listens on `$PORT`; the files are in its working folder. */
  z.strictObject({ kind: z.literal('command'), argv: z.array(z.string().max(4_096)).max(100) }),
]);

/**
 * The `spec` part of POST /services; its `file` parts come beside it. Name, protocol, flavor, port and settings of a service
 * that is there stay as they are unless given; the rest is of the new revision alone.
 */
export const deploymentSchema = z.strictObject({
  name: z.string().max(64),
  protocol: serviceProtocolSchema.optional(),
  flavor: z.string().max(64).optional(),
  /** Where clients connect; one is chosen unless given. */
  port: z.int().optional(),
  settings: poolSettingsSchema.partial().default({}),
  runtime: z.string().max(64).default('python'),
  /** The handler in the first file unless given. */
  entry: entrySchema.optional(),
  environment: z.record(z.string().max(128), z.string().max(32_768)).default({}),
  /** Of a handler, on each VM; null: one a vCPU. */
  processes: z.int().nullable().default(null),
  requestTimeoutMs: z.int().default(30_000),
  maxBodyBytes: z.int().default(1024 ** 2),
});
export type DeploymentBody = z.input<typeof deploymentSchema>;

export const revisionSchema = z.object({
  number: z.number(),
  state: z.enum(['rolling', 'current', 'superseded', 'failed']),
  /** Why it failed; else ''. */
  message: z.string(),
  traceback: z.string(),
  createdAtMs: z.number(),
  runtime: z.string(),
  entry: entrySchema,
  files: z.array(z.string()),
  /** Names of its environment variables; values may be secrets. */
  environment: z.array(z.string()),
  processes: z.number().nullable(),
  requestTimeoutMs: z.number(),
  maxBodyBytes: z.number(),
});
export type RevisionView = z.infer<typeof revisionSchema>;

export const serviceSchema = z.object({
  name: z.string(),
  owner: z.string(),
  protocol: serviceProtocolSchema,
  flavor: z.string(),
  settings: poolSettingsSchema,
  /** Where clients connect; null for udp, whose clients follow the endpoints. */
  address: z.object({ host: z.string(), port: z.number() }).nullable(),
  state: z.enum(['serving', 'rolling', 'starting', 'failing', 'stopping', 'stopped', 'deleting']),
  /** The same in words, with why. */
  reason: z.string(),
  /** The revision that serves; null before the first has come up. */
  current: z.number().nullable(),
  /** Newest first. */
  revisions: z.array(revisionSchema),
  /** VMs of its pool, and how many are wanted in service; null while it has no pool. */
  vms: z.object({ all: z.number(), desired: z.number().nullable() }),
  /** Of all its VMs, now and since the start of the front door (udp: of its processes). */
  stats: z.object({
    endpoints: z.number(),
    requests: z.number(),
    failed: z.number(),
    inFlight: z.number(),
    waiting: z.number(),
    meanMs: z.number().nullable(),
    /** Each VM that requests go to; times are null where they are not known. */
    vms: z.array(
      z.object({ vm: z.string(), requests: z.number(), inFlight: z.number(), meanMs: z.number().nullable() }),
    ),
  }),
  /** The newest trouble of what should serve, also a single request's. */
  lastFailure: z
    .object({ vm: z.string(), revision: z.number(), message: z.string(), traceback: z.string() })
    .nullable(),
  createdAtMs: z.number(),
});
export type ServiceView = z.infer<typeof serviceSchema>;
export const serviceListSchema = z.object({ services: z.array(serviceSchema) });
export const deployedSchema = z.object({ service: serviceSchema, revision: z.number() });
export type DeployedView = z.infer<typeof deployedSchema>;

export const endpointSchema = z.object({ vm: z.string(), host: z.string(), port: z.number() });
export type EndpointView = z.infer<typeof endpointSchema>;
export const endpointListSchema = z.object({ endpoints: z.array(endpointSchema) });

/**
 * Events of GET /services/:name/endpoints. The first is always `endpoints`, with all that there are; after a reconnection
 * with Last-Event-ID those of `launching` and `failed` that were missed follow.
 */
export const endpointEventSchemas = {
  endpoints: z.array(endpointSchema),
  added: endpointSchema,
  removed: endpointSchema.extend({ reason: z.string() }),
  launching: z.object({ vm: z.string() }),
  failed: z.object({ vm: z.string(), reason: z.string() }),
} as const;

/** Lines that its processes wrote, oldest first. */
export const serviceLogSchema = z.object({
  lines: z.array(
    z.object({
      vm: z.string(),
      revision: z.number(),
      atMs: z.number(),
      stream: z.enum(['stdout', 'stderr', 'notice']),
      text: z.string(),
    }),
  ),
});
export type ServiceLogView = z.infer<typeof serviceLogSchema>;
