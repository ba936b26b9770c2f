import { z } from 'zod';
import { TidepoolError } from '../../domain/errors.ts';
import { issuesOf } from '../../protocol/issues.ts';

/** The JSON documents of images, as far as they are read here: OCI image specification 1.1, and `docker save`. */

const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/);
const descriptor = z.object({ mediaType: z.string().optional(), digest, size: z.int().min(0) });
export type Descriptor = z.output<typeof descriptor>;

const platform = z.object({ os: z.string(), architecture: z.string() });

export const indexSchema = z.object({
  manifests: z
    .array(descriptor.extend({ platform: platform.optional() }))
    .min(1)
    .max(1_000),
});
export type Index = z.output<typeof indexSchema>;

export const manifestSchema = z.object({ config: descriptor, layers: z.array(descriptor).max(1_000) });

const texts = z.array(z.string()).max(10_000);

export const configSchema = z.object({
  os: z.string().default('linux'),
  architecture: z.string(),
  config: z
    .object({
      User: z.string().nullish(),
      Env: texts.nullish(),
      WorkingDir: z.string().nullish(),
      Entrypoint: texts.nullish(),
      Cmd: texts.nullish(),
    })
    .nullish(),
  rootfs: z.object({ diff_ids: z.array(digest).max(1_000) }),
});
export type ImageConfig = z.output<typeof configSchema>;

/** `manifest.json` of `docker save`. */
export const dockerManifestSchema = z
  .array(z.object({ Config: z.string(), Layers: z.array(z.string()).max(1_000) }))
  .min(1)
  .max(1_000);

/** Parses a document. Error: `invalid`. @param what as in a message: `its index` */
export function parseDocument<T extends z.ZodType>(schema: T, text: string, what: string): z.output<T> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new TidepoolError('invalid', `the image cannot be read: ${what} is not JSON`, { cause });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new TidepoolError('invalid', `the image cannot be read: ${what} is not right:\n${issuesOf(parsed.error)}`);
}
