import { TidepoolError } from '../domain/errors.ts';
import { type LayeredRecipe, parseRequirements } from '../domain/requirements.ts';
import type { JobContext } from './context.ts';

const maxRequirementsBytes = 64 * 1024;

/** What the runtime of a job with requirements is made of; undefined when the job is not there any more. */
export async function layeredRecipe(
  context: Pick<JobContext, 'store' | 'blobs'>,
  jobId: string,
): Promise<LayeredRecipe | undefined> {
  const job = await context.store.jobs.get(jobId);
  if (job === undefined || job.spec.requirementsBlob === null) return undefined;
  return { base: job.spec.runtime, requirements: await readRequirements(context, job.spec.requirementsBlob) };
}

/** The requirements of a file, one a line, checked. Errors: `invalid`, `too_large`. */
export async function readRequirements({ blobs }: Pick<JobContext, 'blobs'>, blob: string): Promise<string> {
  const { sizeBytes, content } = await blobs.read(blob);
  if (sizeBytes > maxRequirementsBytes)
    throw new TidepoolError('too_large', `requirements.txt has more than ${maxRequirementsBytes} bytes`);
  const chunks: Uint8Array[] = [];
  for await (const chunk of content) chunks.push(chunk);
  return parseRequirements(Buffer.concat(chunks).toString()).join('\n');
}

/** Refuses requirements that cannot be installed here. Error: `invalid`. */
export async function checkRequirements(
  context: Pick<JobContext, 'blobs' | 'hasPip'>,
  blob: string | null,
): Promise<void> {
  if (blob === null) return;
  if (!context.hasPip) {
    throw new TidepoolError(
      'invalid',
      'requirements are not installed here: nothing is configured to install them from (jobs.pip)',
    );
  }
  await readRequirements(context, blob);
}
