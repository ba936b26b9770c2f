import { TidepoolError } from '../../domain/errors.ts';
import { maxStoreKeyBytes, maxStoreValueBytes, type StoreAnswer } from '../../protocol/agent-service.ts';
import { parseObject } from '../spec-fields.ts';

/** A request of a container's, without its id. */
export type Ask =
  | { readonly op: 'get' | 'delete'; readonly key: string }
  | { readonly op: 'put' | 'add'; readonly key: string; readonly value: string };

export type Reply = Pick<StoreAnswer, 'value' | 'error'>;

/** An answer that something could not be done. */
export function refusal(error: string): Reply {
  return { value: null, error };
}

/**
 * Reads a line that a container sent. What is a request, but not one that can be carried out, comes with the refusal.
 * Error: `invalid` when it is none at all.
 */
export function parseAsk(line: string): { readonly id: number; readonly ask: Ask | Reply } {
  const { id, op, key, value } = parseObject(line, 'the request to the store');
  if (!Number.isSafeInteger(id)) throw new TidepoolError('invalid', 'the request to the store has no id');
  return { id: Number(id), ask: askOf(op, key, value) };
}

function askOf(op: unknown, key: unknown, value: unknown): Ask | Reply {
  if (typeof key !== 'string' || key === '' || Buffer.byteLength(key) > maxStoreKeyBytes)
    return refusal(`a key is a text of 1 to ${maxStoreKeyBytes} bytes`);
  if (op === 'get' || op === 'delete') return { op, key };
  if (op !== 'put' && op !== 'add') return refusal('the store knows get, put, add and delete');
  if (typeof value !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(value)) return refusal('a value is base64');
  if (Buffer.byteLength(value, 'base64') > maxStoreValueBytes)
    return refusal(`a value has at most ${maxStoreValueBytes} bytes`);
  return { op, key, value };
}

/** Reads a line that the control plane sent. Error: `invalid`. */
export function parseStoreAnswer(line: string): StoreAnswer {
  const { id, value, error } = parseObject(line, 'the answer of the store');
  const isValue = value === null || typeof value === 'string';
  if (!Number.isSafeInteger(id) || !isValue || typeof error !== 'string')
    throw new TidepoolError('invalid', 'the answer of the store is none');
  return { id: Number(id), value, error };
}
