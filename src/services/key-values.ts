import type { Clock } from '../domain/clock.ts';
import { TidepoolError, toTidepoolError } from '../domain/errors.ts';
import type { KeyValueAnswer, KeyValueRequest, KeyValueStore } from '../domain/service.ts';
import {
  maxStoreKeyBytes,
  maxStoreValueBytes,
  maxStoreWaiting,
  type StoreAnswer,
  type StoreRequest,
} from '../protocol/agent-service.ts';

/** Where the requests come from, for as long as one server talks to one VM. */
export class StoreSource {
  readonly #clock: Pick<Clock, 'now'>;
  #relay: string | undefined;
  /** Requests that were refused since something was carried out last. */
  #refused: number[] = [];

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  /** An agent that was started again numbers anew. */
  from(relay: string | undefined): this {
    if (relay !== this.#relay) this.#refused = [];
    this.#relay = relay;
    return this;
  }

  /** Carries requests out together. Errors: those of KeyValueStore.apply. */
  async apply(store: KeyValueStore, service: string, requests: readonly KeyValueRequest[]): Promise<KeyValueAnswer[]> {
    const name = this.#relay;
    if (name === undefined) return store.apply(service, requests);
    const own = new Set(requests.map(({ id }) => id));
    const refused = this.#refused.filter((id) => !own.has(id));
    const values = await store.apply(service, requests, { name, refused, nowMs: this.#clock.now() });
    this.#refused = [];
    return values;
  }

  refuse(requests: readonly KeyValueRequest[]): void {
    this.#refused.push(...requests.flatMap(({ id }) => id ?? []));
    this.#refused = this.#refused.slice(-maxStoreWaiting);
  }
}

/**
 * Answers what handlers ask of the store of their service. What they send is a stranger's word: a request that cannot be
 * is answered with why, and does not touch the others of its batch. Never throws.
 */
export async function answerStoreRequests(
  store: KeyValueStore,
  service: string,
  requests: readonly StoreRequest[],
  source: StoreSource,
): Promise<StoreAnswer[]> {
  const checked = requests.map((request) => ({ id: request.id, ...checkedRequest(request) }));
  const good = checked.flatMap(({ request }) => request ?? []);
  const outcomes = await carryOut(store, service, good, source);
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
  source: StoreSource,
): Promise<Outcome[]> {
  if (requests.length === 0) return [];
  try {
    return (await source.apply(store, service, requests)).map(outcomeOf);
  } catch (error) {
    source.refuse(requests);
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
  const { id, op, key } = request;
  if (!key.isWellFormed() || Buffer.byteLength(key) > maxStoreKeyBytes)
    return { problem: `a key is text of at most ${maxStoreKeyBytes} bytes` };
  if (op === 'get' || op === 'delete') return { request: { id, op, key } };
  const value = Buffer.from(request.value, 'base64');
  if (value.length > maxStoreValueBytes) return { problem: `a value has at most ${maxStoreValueBytes} bytes` };
  return { request: { id, op, key, value } };
}

function toBase64(value: Uint8Array): string {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64');
}
