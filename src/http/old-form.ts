import type { FastifyRequest } from 'fastify';
import type { BlobStore, StoredBlob } from '../domain/blob-store.ts';
import { TidepoolError } from '../domain/errors.ts';
import type { Submission } from '../jobs/submit.ts';
import { submissionSchema } from '../protocol/api.ts';
import { partsOf, storePart } from './multipart.ts';
import { limitOf } from './submission.ts';

const maxParts = 8;

/**
 * Reads the form of an earlier system: `userName`, `file`, and perhaps `dataset`. Errors: `invalid`, `too_large`, and those
 * of `ownerOf`, which is asked before any file is stored.
 * @param ownerOf gives the owner by what `userName` says; undefined: it says nothing until the first file
 */
export async function readOldForm(
  request: FastifyRequest,
  blobs: Pick<BlobStore, 'put'>,
  maxUploadBytes: number,
  ownerOf: (named: string | undefined) => Promise<string>,
): Promise<Submission> {
  if (!request.isMultipart()) throw new TidepoolError('invalid', 'an upload is multipart/form-data with the part file');
  let owner: string | undefined;
  let file: (StoredBlob & { readonly name: string }) | undefined;
  let data: StoredBlob | undefined;
  for await (const part of partsOf(request, maxParts)) {
    if (part.type === 'field') {
      if (part.fieldname === 'userName' && owner === undefined) owner = await ownerOf(String(part.value));
      continue;
    }
    owner ??= await ownerOf(undefined);
    if (part.fieldname === 'file' && file === undefined) {
      const limit = limitOf('script', maxUploadBytes);
      file = { name: part.filename, ...(await storePart(request, part, blobs, limit)) };
    } else if (part.fieldname === 'dataset' && data === undefined) {
      data = await storePart(request, part, blobs, limitOf('data', maxUploadBytes));
    } else {
      throw new TidepoolError('invalid', `an upload has one file and one dataset, no other ${part.fieldname}`);
    }
  }
  if (owner === undefined || file === undefined)
    throw new TidepoolError('invalid', 'the part file is missing: the Python file to run');
  // Browsers send an empty file where none was chosen.
  const dataset = data?.sizeBytes === 0 ? undefined : data;
  const { name: _name, entrypoint: _entrypoint, limits: _limits, ...usual } = submissionSchema.parse({});
  return {
    ...usual,
    owner,
    source: 'script',
    entrypoint: file.name,
    limits: {},
    network: false,
    scriptBlob: file.id,
    dataBlob: dataset?.id ?? null,
    requirementsBlob: null,
    inputBytes: { script: file.sizeBytes, data: dataset?.sizeBytes ?? 0, requirements: 0 },
  };
}
