import type { FastifyRequest } from 'fastify';
import type { z } from 'zod';
import type { BlobStore } from '../domain/blob-store.ts';
import { TidepoolError } from '../domain/errors.ts';
import type { PoolSettings } from '../domain/pool.ts';
import type { RevisionSpec, ServiceFile } from '../domain/service.ts';
import { deploymentSchema, maxServiceFileBytes, maxServiceFiles } from '../protocol/services.ts';
import type { Deployment } from '../services/deploy.ts';
import { hashOf, parseJsonPart, partsOf, storePart } from './multipart.ts';

const fileLimit = { limit: 'files of a service', maxBytes: maxServiceFileBytes };

/** A deployment as it was sent; its owner is not known from it. */
export interface SentDeployment {
  readonly deployment: Omit<Deployment, 'owner'>;
  /** The same for the same request, however it was sent. */
  readonly hash: string;
}

/** Reads a multipart deployment; files go straight into the blob store. Errors: `invalid`, `too_large`. */
export async function readDeployment(request: FastifyRequest, blobs: Pick<BlobStore, 'put'>): Promise<SentDeployment> {
  if (!request.isMultipart())
    throw new TidepoolError('invalid', 'a deployment is multipart/form-data with the parts spec and file');
  let spec: z.output<typeof deploymentSchema> | undefined;
  const files: ServiceFile[] = [];
  for await (const part of partsOf(request, maxServiceFiles + 2)) {
    if (part.fieldname === 'spec') spec = await parseJsonPart(part, deploymentSchema);
    else if (part.type === 'file' && part.fieldname === 'file') {
      files.push({ name: part.filename, blob: (await storePart(request, part, blobs, fileLimit)).id });
    } else {
      throw new TidepoolError('invalid', `there is no part named ${JSON.stringify(part.fieldname)} in a deployment`);
    }
  }
  if (spec === undefined) throw new TidepoolError('invalid', 'the part spec is missing: what to deploy, as JSON');
  const { name, protocol, flavor, port, settings } = spec;
  const deployment = { name, protocol, flavor, port, settings: given(settings), spec: revisionSpec(spec, files) };
  return { deployment, hash: hashOf([spec, files]) };
}

function revisionSpec(spec: z.output<typeof deploymentSchema>, files: readonly ServiceFile[]): RevisionSpec {
  const { runtime, environment, processes, requestTimeoutMs, maxBodyBytes } = spec;
  const [first] = files;
  const entry = spec.entry ?? (first === undefined ? undefined : { kind: 'handler' as const, file: first.name });
  if (entry === undefined) throw new TidepoolError('invalid', 'the part file is missing: the Python file to deploy');
  return { runtime, entry, files, environment, processes, requestTimeoutMs, maxBodyBytes };
}

function given(settings: z.output<typeof deploymentSchema>['settings']): Partial<PoolSettings> {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
}
