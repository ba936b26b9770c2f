import type { FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { TidepoolError } from '../domain/errors.ts';
import type { JobLimits } from '../domain/limits.ts';
import type { Submission } from '../jobs/submit.ts';
import { submissionSchema } from '../protocol/api.ts';
import type { HttpContext } from './context.ts';
import { parseJsonPart, storePart } from './multipart.ts';

const maxScriptBytes = 16 * 1024 * 1024;

/** Reads a multipart submission; files go straight into the blob store. Errors: `invalid`, `too_large`. */
export async function readSubmission(
  request: FastifyRequest,
  context: HttpContext,
): Promise<Omit<Submission, 'owner'>> {
  if (!request.isMultipart()) {
    throw new TidepoolError('invalid', 'a submission is multipart/form-data with the parts spec, script and data');
  }
  let spec: z.output<typeof submissionSchema> = submissionSchema.parse({});
  let script: { blob: string; name: string } | undefined;
  let dataBlob: string | null = null;
  for await (const part of request.parts()) {
    if (part.fieldname === 'spec') spec = await parseJsonPart(part, submissionSchema);
    else if (part.type === 'file' && part.fieldname === 'script') {
      script = { blob: await storePart(part, context.jobs.blobs, maxScriptBytes), name: part.filename };
    } else if (part.type === 'file' && part.fieldname === 'data') {
      dataBlob = await storePart(part, context.jobs.blobs, context.maxUploadBytes);
    } else {
      throw new TidepoolError('invalid', `there is no part named ${JSON.stringify(part.fieldname)} in a submission`);
    }
  }
  if (script === undefined) throw new TidepoolError('invalid', 'the part script is missing: the Python file to run');
  const limits = Object.fromEntries(Object.entries(spec.limits).filter(([, value]) => value !== undefined));
  return {
    name: spec.name,
    entrypoint: script.name,
    args: spec.args,
    environment: spec.environment,
    runtime: spec.runtime,
    limits: limits as Partial<JobLimits>,
    network: false,
    priority: spec.priority,
    labels: spec.labels,
    scriptBlob: script.blob,
    dataBlob,
  };
}
