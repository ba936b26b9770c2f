import { randomUUID } from 'node:crypto';
import type { Clock } from '../domain/clock.ts';
import { TidepoolError, toTidepoolError } from '../domain/errors.ts';
import type { StoreAnswer, StoreRequest } from '../protocol/agent-service.ts';

type Answer = (requests: readonly StoreRequest[], relay: string | undefined) => Promise<StoreAnswer[]>;
type Ask =
  | { readonly op: 'get' | 'delete'; readonly key: string }
  | { readonly op: 'put' | 'add'; readonly key: string; readonly value: string };

const answerLimitMs = 10_000;

interface Waiting {
  readonly request: StoreRequest;
  reply(answer: Pick<StoreAnswer, 'value' | 'error'>): void;
}

/** The agent's part of the store: requests wait for whoever serves, and those that are not answered for the next one. */
export class FakeStoreRelay {
  readonly name = randomUUID();
  readonly #clock: Clock;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #holder: { wake(): void; end(error?: TidepoolError): void } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** As a handler asks. Never rejects: why not is in the answer. */
  ask(ask: Ask): Promise<Pick<StoreAnswer, 'value' | 'error'>> {
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve) => {
      const reply = (answer: Pick<StoreAnswer, 'value' | 'error'>): void => {
        cancel();
        this.#waiting.delete(id);
        resolve(answer);
      };
      const late = { value: null, error: `the store did not answer within ${answerLimitMs / 1_000} s` };
      const cancel = this.#clock.after(answerLimitMs, () => reply(late));
      this.#waiting.set(id, { request: { id, ...ask }, reply });
      this.#holder?.wake();
    });
  }

  /** As ServiceLink.serveStore. */
  async serve(answer: Answer, signal: AbortSignal): Promise<void> {
    this.#holder?.end();
    const ended = Promise.withResolvers<'ended'>();
    let wake = (): void => undefined;
    const end = (error?: TidepoolError): void => {
      if (error === undefined) ended.resolve('ended');
      else ended.reject(error);
    };
    const holder = { wake: () => wake(), end };
    this.#holder = holder;
    const onAbort = (): void => end();
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) end();
    try {
      for (;;) {
        const requests = [...this.#waiting.values()].map(({ request }) => request);
        const work =
          requests.length > 0
            ? answer(requests, this.name)
            : new Promise<StoreAnswer[]>((resolve) => {
                wake = () => resolve([]);
              });
        const answers = await Promise.race([work, ended.promise]);
        if (answers === 'ended') return;
        for (const { id, value, error } of answers) this.#waiting.get(id)?.reply({ value, error });
      }
    } catch (error) {
      throw toTidepoolError(error);
    } finally {
      signal.removeEventListener('abort', onAbort);
      if (this.#holder === holder) this.#holder = undefined;
    }
  }

  /** Breaks the connection of whoever serves. */
  cut(): void {
    this.#holder?.end(new TidepoolError('unavailable', 'the connection to the agent was lost'));
  }
}
