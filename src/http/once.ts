import type { FastifyRequest } from 'fastify';
import { TidepoolError } from '../domain/errors.ts';
import type { OnceKey } from '../domain/once.ts';
import type { StorageContext } from '../storage/context.ts';
import { hashOf } from './multipart.ts';

/**
 * The key by which a request takes effect once; undefined when the sender gave none. Error: `invalid`.
 * @param owner whose keys they are
 * @param hash of what the request asks for
 */
export function onceKey(request: FastifyRequest, owner: string, hash: string): OnceKey | undefined {
  const key = keyOf(request);
  if (key === undefined) return undefined;
  return { owner, key, requestHash: hashOf([request.method, request.url, hash]) };
}

/**
 * Whether the request has the key of an earlier one: its answer is owed then, whatever quotas and limits say by now. Error:
 * `invalid`.
 */
export async function isRepeated(
  request: FastifyRequest,
  owner: string,
  { store, clock }: Pick<StorageContext, 'store' | 'clock'>,
): Promise<boolean> {
  const key = keyOf(request);
  return key !== undefined && (await store.once.isKnown({ owner, key }, clock.now()));
}

/** The error of a request whose key was forgotten while it was being read. */
export function forgotten(): TidepoolError {
  return new TidepoolError('conflict', 'the Idempotency-Key was forgotten meanwhile; look whether it took effect');
}

function keyOf(request: FastifyRequest): string | undefined {
  const key = request.headers['idempotency-key'];
  if (key === undefined) return undefined;
  if (typeof key !== 'string' || !/^[\x21-\x7e]{1,255}$/.test(key))
    throw new TidepoolError('invalid', 'an Idempotency-Key has 1 to 255 letters, digits and signs of ASCII, no spaces');
  return key;
}
