import type { MultipartFile } from '@fastify/multipart';
import type { FastifyRequest } from 'fastify';
import type { z } from 'zod';
import type { BlobStore, StoredBlob } from '../domain/blob-store.ts';
import { TidepoolError } from '../domain/errors.ts';
import type { JobSpec } from '../domain/job.ts';
import type { JobLimits } from '../domain/limits.ts';
import type { Submission } from '../jobs/submit.ts';
import { submissionSchema } from '../protocol/api.ts';
import { hashOf, type PartLimit, parseJsonPart, partsOf, storePart } from './multipart.ts';

const maxScriptBytes = 16 * 1024 * 1024;
const maxRequirementsBytes = 64 * 1024;

/** The files of a submission, by the name of their part, and how large they may be. */
const fileParts = ['script', 'project', 'data', 'requirements'] as const;
type FilePart = (typeof fileParts)[number];

interface SentFile extends StoredBlob {
  readonly name: string;
}

/** A submission as it was sent; its owner is not known from it. */
export interface SentSubmission {
  readonly submission: Omit<Submission, 'owner'>;
  /** The same for the same request, however it was sent. */
  readonly hash: string;
}

/**
 * Reads a multipart submission; files go straight into the blob store. Errors: `invalid`, `too_large`.
 * @param maxUploadBytes of a project and of a dataset
 */
export async function readSubmission(
  request: FastifyRequest,
  blobs: Pick<BlobStore, 'put'>,
  maxUploadBytes: number,
): Promise<SentSubmission> {
  if (!request.isMultipart()) {
    throw new TidepoolError(
      'invalid',
      `a submission is multipart/form-data with the parts spec, ${fileParts.join(', ')}`,
    );
  }
  let spec: z.output<typeof submissionSchema> = submissionSchema.parse({});
  const files = new Map<FilePart, SentFile>();
  for await (const part of partsOf(request, fileParts.length + 2)) {
    const name = fileParts.find((known) => known === part.fieldname);
    if (part.fieldname === 'spec') spec = await parseJsonPart(part, submissionSchema);
    else if (part.type !== 'file' || name === undefined) {
      throw new TidepoolError('invalid', `there is no part named ${JSON.stringify(part.fieldname)} in a submission`);
    } else if (files.has(name)) {
      throw new TidepoolError('invalid', `the part ${name} was sent twice`);
    } else files.set(name, await sentFile(request, part, blobs, limitOf(name, maxUploadBytes)));
  }
  return { submission: submissionOf(spec, files), hash: hashOf([spec, [...files].sort()]) };
}

async function sentFile(
  request: FastifyRequest,
  part: MultipartFile,
  blobs: Pick<BlobStore, 'put'>,
  limit: PartLimit,
): Promise<SentFile> {
  return { name: part.filename, ...(await storePart(request, part, blobs, limit)) };
}

/** How large a part of a submission may be. */
export function limitOf(part: FilePart, maxUploadBytes: number): PartLimit {
  if (part === 'script') return { limit: 'script files', maxBytes: maxScriptBytes };
  if (part === 'requirements') return { limit: 'requirements files', maxBytes: maxRequirementsBytes };
  return { limit: 'jobs.maxUploadBytes', maxBytes: maxUploadBytes };
}

function submissionOf(
  spec: z.output<typeof submissionSchema>,
  files: ReadonlyMap<FilePart, SentFile>,
): Omit<Submission, 'owner'> {
  const data = files.get('data');
  const requirements = files.get('requirements');
  return {
    ...sourceOf(spec, files),
    name: spec.name,
    args: spec.args,
    environment: spec.environment,
    runtime: spec.runtime,
    limits: Object.fromEntries(
      Object.entries(spec.limits).filter(([, value]) => value !== undefined),
    ) as Partial<JobLimits>,
    network: false,
    priority: spec.priority,
    labels: spec.labels,
    dataBlob: data?.id ?? null,
    requirementsBlob: requirements?.id ?? null,
    inputBytes: {
      script: (files.get('script') ?? files.get('project'))?.sizeBytes ?? 0,
      data: data?.sizeBytes ?? 0,
      requirements: requirements?.sizeBytes ?? 0,
    },
  };
}

function sourceOf(
  { entrypoint }: z.output<typeof submissionSchema>,
  files: ReadonlyMap<FilePart, SentFile>,
): Pick<JobSpec, 'source' | 'scriptBlob'> & Pick<Submission, 'entrypoint'> {
  const script = files.get('script');
  const project = files.get('project');
  if (script !== undefined && project !== undefined)
    throw new TidepoolError('invalid', 'a submission has the part script or the part project, not both');
  if (project !== undefined) return { source: 'project', scriptBlob: project.id, entrypoint };
  if (script === undefined) return { source: 'image', scriptBlob: null, entrypoint: '' };
  if (entrypoint !== undefined && entrypoint !== script.name)
    throw new TidepoolError('invalid', 'entrypoint is for projects; a script is run by its file name');
  return { source: 'script', scriptBlob: script.id, entrypoint: script.name };
}
