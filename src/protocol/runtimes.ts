import { z } from 'zod';

/** Under /api/v1/runtimes: what jobs and services can run in. */

export const runtimeSchema = z.object({
  name: z.string(),
  /** `missing`: it is built when a job first asks for it. */
  state: z.enum(['built', 'building', 'failed', 'missing']),
  /** How far its build is, or why it failed; else ''. */
  text: z.string(),
  /** Null while it is not built. */
  sizeBytes: z.number().nullable(),
  createdAtMs: z.number().nullable(),
  /** It was made of a container image. */
  isImage: z.boolean(),
});
export type RuntimeView = z.infer<typeof runtimeSchema>;

export const runtimeListSchema = z.object({
  runtimes: z.array(runtimeSchema),
  /** What new VMs are cloned from. */
  image: z.object({ id: z.string(), sizeBytes: z.number(), createdAtMs: z.number() }),
});
