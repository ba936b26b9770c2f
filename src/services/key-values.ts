import { TidepoolError, toTidepoolError } from '../domain/errors.ts';
import type { KeyValueAnswer, KeyValueRequest, KeyValueStore } from '../domain/service.ts';
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

async function carryOut(
  store: KeyValueStore,
  service: string,
  requests: readonly KeyValueRequest[],
): Promise<Outcome[]> {
  if (requests.length === 0) return [];
  try {
    return (await store.apply(service, requests)).map(outcomeOf);
  } catch (error) {
    const { message } = toTidepoolError(error);
    return requests.map(() => ({ value: null, error: message }));
  }
}

function outcomeOf(answer: KeyValueAnswer): Outcome {
  if (answer instanceof TidepoolError) return { value: null, error: answer.message };
  return { value: answer === undefined ? null : toBase64(answer), error: '' };
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
