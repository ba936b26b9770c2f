import { createHash } from 'node:crypto';
import type { MultipartFile, MultipartValue } from '@fastify/multipart';
import type { FastifyError, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import type { BlobStore, StoredBlob } from '../domain/blob-store.ts';
import { hasCode, TidepoolError } from '../domain/errors.ts';
import { issuesOf } from '../protocol/issues.ts';

/** Of a part that is JSON; server.ts holds fields to the same. */
const maxJsonBytes = 1024 * 1024;

/** How large a part may be, and by which setting or rule. */
export interface PartLimit {
  readonly limit: string;
  readonly maxBytes: number;
}

type Part = MultipartFile | MultipartValue;

/**
 * The parts of a form, one after the other. Errors: `invalid` when it is broken or breaks off, `too_large` (too many parts,
 * a field that is too long).
 */
export async function* partsOf(request: FastifyRequest, maxParts: number): AsyncGenerator<Part> {
  try {
    yield* request.parts({ limits: { parts: maxParts } });
  } catch (error) {
    // The limits of the parser have a status; all else that it says is about the form.
    if (error instanceof TidepoolError || (error as FastifyError).statusCode !== undefined) throw error;
    throw broken(error);
  }
}

function broken(cause: unknown): TidepoolError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new TidepoolError('invalid', `the form is broken: ${reason}`, { cause });
}

/** What the asker sends of a file; that it breaks off is the asker's mistake, not ours. */
async function* sentBytes(file: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* file;
  } catch (error) {
    throw broken(error);
  }
}

/** A part that is JSON of this schema, sent as a field or as a file. Errors: `invalid`, `too_large`. */
export async function parseJsonPart<T extends z.ZodType>(part: Part, schema: T): Promise<z.output<T>> {
  const text = part.type === 'file' ? await textOf(part) : String(part.value);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new TidepoolError('invalid', `the request is not right: its part ${part.fieldname} is not JSON`, { cause });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new TidepoolError('invalid', `the request (part ${part.fieldname}) is not right:\n${issuesOf(parsed.error)}`);
}

/** Puts a file straight into the blob store. Errors: `too_large`, with the limit and the size. */
export async function storePart(
  request: FastifyRequest,
  part: MultipartFile,
  blobs: Pick<BlobStore, 'put'>,
  { limit, maxBytes }: PartLimit,
): Promise<StoredBlob> {
  try {
    return await blobs.put(sentBytes(part.file), maxBytes);
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
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of sentBytes(part.file)) {
    bytes += chunk.length;
    if (bytes > maxJsonBytes)
      throw new TidepoolError('too_large', `the part ${part.fieldname} has more than ${maxJsonBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
