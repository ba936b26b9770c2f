import { createHash } from 'node:crypto';
import type { MultipartFile, MultipartValue } from '@fastify/multipart';
import type { FastifyRequest } from 'fastify';
import { prettifyError, type z } from 'zod';
import type { BlobStore, StoredBlob } from '../domain/blob-store.ts';
import { hasCode, TidepoolError } from '../domain/errors.ts';

/** Of a part that is JSON; server.ts holds fields to the same. */
const maxJsonBytes = 1024 * 1024;

/** How large a part may be, and by which setting or rule. */
export interface PartLimit {
  readonly limit: string;
  readonly maxBytes: number;
}

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

/** Puts a file straight into the blob store. Errors: `too_large`, with the limit and the size. */
export async function storePart(
  request: FastifyRequest,
  part: MultipartFile,
  blobs: Pick<BlobStore, 'put'>,
  { limit, maxBytes }: PartLimit,
): Promise<StoredBlob> {
  try {
    return await blobs.put(part.file, maxBytes);
  } catch (cause) {
    if (!hasCode(cause, 'too_large')) throw cause;
    const sent = Number(request.headers['content-length'] ?? Number.NaN);
    const size = Number.isSafeInteger(sent) ? ` (the request has ${sent})` : '';
    throw new TidepoolError(
      'too_large',
      `the part ${part.fieldname} has more than the allowed ${maxBytes} bytes${size}; the limit is ${limit}`,
      { cause, details: { limit, allowed: maxBytes, part: part.fieldname, ...(size === '' ? {} : { sent }) } },
    );
  } finally {
    // What was not read would hold up the parts behind it.
    part.file.resume();
  }
}

/** SHA-256 of a value as JSON, to know the same request again. */
export function hashOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
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
