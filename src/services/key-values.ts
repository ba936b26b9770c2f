import { hasCode, toTidepoolError } from '../domain/errors.ts';
import type { KeyValueRequest, KeyValueStore } from '../domain/service.ts';
import {
  maxStoreKeyBytes,
  maxStoreValueBytes,
  type StoreAnswer,
  type StoreRequest,
} from '../protocol/agent-service.ts';

/**
 * Answers what handlers ask of the store of their service. What they send is a stranger's word: a request that cannot be
 * is answered with why, and does not touch the others of its batch. Never throws.
 */
export async function answerStoreRequests(
  store: KeyValueStore,
  service: string,
  requests: readonly StoreRequest[],
): Promise<StoreAnswer[]> {
  const checked = requests.map((request) => ({ id: request.id, ...checkedRequest(request) }));
  const good = checked.flatMap(({ request }) => request ?? []);
  const outcomes = await carryOut(store, service, good);
  let next = 0;
  return checked.map(({ id, problem }) => {
    if (problem !== undefined) return { id, value: null, error: problem };
    const outcome = outcomes[next];
    next += 1;
    return { id, value: null, error: 'the store gave no answer', ...outcome };
  });
}

type Outcome = Pick<StoreAnswer, 'value' | 'error'>;

/** A batch that would fill the store is halved until only those are refused that do not fit; the order stays. */
async function carryOut(
  store: KeyValueStore,
  service: string,
  requests: readonly KeyValueRequest[],
): Promise<Outcome[]> {
  if (requests.length === 0) return [];
  try {
    const values = await store.apply(service, requests);
    return values.map((value) => ({ value: value === undefined ? null : toBase64(value), error: '' }));
  } catch (error) {
    if (requests.length === 1 || !hasCode(error, 'exhausted')) {
      const { message } = toTidepoolError(error);
      return requests.map(() => ({ value: null, error: message }));
    }
    const middle = Math.ceil(requests.length / 2);
    const first = await carryOut(store, service, requests.slice(0, middle));
    return [...first, ...(await carryOut(store, service, requests.slice(middle)))];
  }
}

interface Checked {
  readonly request?: KeyValueRequest;
  readonly problem?: string;
}

function checkedRequest(request: StoreRequest): Checked {
  const { op, key } = request;
  if (!key.isWellFormed() || Buffer.byteLength(key) > maxStoreKeyBytes)
    return { problem: `a key is text of at most ${maxStoreKeyBytes} bytes` };
  if (op === 'get' || op === 'delete') return { request: { op, key } };
  const value = Buffer.from(request.value, 'base64');
  if (value.length > maxStoreValueBytes) return { problem: `a value has at most ${maxStoreValueBytes} bytes` };
  return { request: { op, key, value } };
}

function toBase64(value: Uint8Array): string {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64');
}
