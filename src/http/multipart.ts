import type { MultipartFile, MultipartValue } from '@fastify/multipart';
import { prettifyError, type z } from 'zod';
import type { BlobStore } from '../domain/blob-store.ts';
import { TidepoolError } from '../domain/errors.ts';

/** Of a part that is JSON; server.ts holds fields to the same. */
const maxJsonBytes = 1024 * 1024;

/** A part that is JSON of this schema, sent as a field or as a file. Errors: `invalid`, `too_large`. */
export async function parseJsonPart<T extends z.ZodType>(
  part: MultipartFile | MultipartValue,
  schema: T,
): Promise<z.output<T>> {
  const text = part.type === 'file' ? await textOf(part) : String(part.value);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new TidepoolError('invalid', `the part ${part.fieldname} is not JSON`, { cause });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new TidepoolError('invalid', `the part ${part.fieldname} is not right:\n${prettifyError(parsed.error)}`);
}

/** Puts a file straight into the blob store and gives its id. Errors: `too_large`. */
export async function storePart(part: MultipartFile, blobs: BlobStore, maxBytes: number): Promise<string> {
  try {
    return (await blobs.put(part.file, maxBytes)).id;
  } finally {
    // What was not read would hold up the parts behind it.
    part.file.resume();
  }
}

async function textOf(part: MultipartFile): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of part.file) {
    bytes += (chunk as Buffer).length;
    if (bytes > maxJsonBytes)
      throw new TidepoolError('too_large', `the part ${part.fieldname} has more than ${maxJsonBytes} bytes`);
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString('utf8');
}
