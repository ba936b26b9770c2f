import type { Clock } from '../domain/clock.ts';
import { TidepoolError } from '../domain/errors.ts';
import { afterListening } from '../reconcile/lateness.ts';
import { Places } from '../reconcile/places.ts';

/**
 * Maximum number of calls of a connection that the daemon has at a time. Its own limit is 5 (`max_client_requests`): at the
 * limit it reads the connection no more, pings included, and ends it as dead when the calls last.
 */
const mostAtOnce = 4;
const mostWaiting = 1_024;
/** A call that is unanswered for this long after its deadline is not coming back, and its place is needed. */
const hopelessMs = 600_000;

export interface CallsOptions {
  readonly clock: Clock;
  /** For messages. */
  readonly uri: string;
  /** A call was never answered: the connection is of no use any more. */
  onHopeless(what: string): void;
}

export interface CallRequest {
  readonly serial: number;
  readonly name: string;
  /** From now, the wait for a place included. */
  readonly deadlineMs: number;
  /** Calls of the same key are one call: who asks while it waits or is carried out gets its answer. */
  readonly key: string | undefined;
  send(): void;
}

interface Call {
  readonly request: CallRequest;
  readonly answer: PromiseWithResolvers<Uint8Array>;
  /** How many wait for the answer. */
  callers: number;
  isSent: boolean;
  cancelHopeless(): void;
  leave(): void;
}

/**
 * The calls of one connection. At most four are with the daemon; the others wait, in their order. A call whose deadline passes
 * while it waits is never sent; one that the daemon has keeps its place until the answer, since it is still carried out.
 */
export class Calls {
  readonly #options: CallsOptions;
  readonly #places: Places;
  readonly #open = new Map<number, Call>();
  readonly #byKey = new Map<string, Call>();

  constructor(options: CallsOptions) {
    this.#options = options;
    this.#places = new Places({ most: mostAtOnce, mostWaiting, what: `calls to libvirt at ${options.uri}` });
  }

  /** Returns the payload of the answer. Errors: `exhausted`, `timeout`, and what `reject` or `end` is given. */
  make(request: CallRequest): Promise<Uint8Array> {
    const { clock } = this.#options;
    const call = (request.key === undefined ? undefined : this.#byKey.get(request.key)) ?? this.#begin(request);
    call.callers += 1;
    return new Promise((resolve, reject) => {
      const cancelDeadline = afterListening(clock, request.deadlineMs, () => {
        reject(this.#late(call));
        call.callers -= 1;
        if (call.isSent) this.#giveTime(call);
        else if (call.callers === 0) this.#close(call);
      });
      call.answer.promise.finally(cancelDeadline).then(resolve, reject);
    });
  }

  /** The name of a call that the daemon has; undefined when there is none of that serial. */
  nameOf(serial: number): string | undefined {
    return this.#open.get(serial)?.request.name;
  }

  resolve(serial: number, payload: Uint8Array): void {
    this.#close(this.#open.get(serial))?.answer.resolve(payload);
  }

  reject(serial: number, error: TidepoolError): void {
    this.#close(this.#open.get(serial))?.answer.reject(error);
  }

  /** Fails all calls. */
  end(reason: TidepoolError): void {
    const all = [...this.#open.values()];
    // Those that wait must not be sent when the others leave.
    for (const call of all.toReversed()) this.#close(call)?.answer.reject(reason);
  }

  #begin(request: CallRequest): Call {
    const answer = Promise.withResolvers<Uint8Array>();
    // It may come when nobody waits any more.
    answer.promise.catch(() => undefined);
    const nothing = (): void => undefined;
    const call: Call = { request, answer, callers: 0, isSent: false, cancelHopeless: nothing, leave: nothing };
    call.leave = this.#places.enter(() => {
      call.isSent = true;
      request.send();
    });
    this.#open.set(request.serial, call);
    if (request.key !== undefined) this.#byKey.set(request.key, call);
    return call;
  }

  #close(call: Call | undefined): Call | undefined {
    if (call === undefined) return undefined;
    const { serial, key } = call.request;
    this.#open.delete(serial);
    if (key !== undefined) this.#byKey.delete(key);
    call.cancelHopeless();
    call.leave();
    return call;
  }

  #giveTime(call: Call): void {
    const { clock, onHopeless } = this.#options;
    call.cancelHopeless();
    const { name, deadlineMs } = call.request;
    const what = `${name} was not answered for ${(deadlineMs + hopelessMs) / 1_000} s`;
    call.cancelHopeless = clock.after(hopelessMs, () => onHopeless(what));
  }

  #late({ request: { name, deadlineMs }, isSent }: Call): TidepoolError {
    const inTime = `within ${deadlineMs / 1_000} s`;
    const why = isSent ? `did not answer ${name} ${inTime}` : `had no place for ${name} ${inTime}: earlier calls last`;
    const details = { procedure: name, wasSent: isSent };
    return new TidepoolError('timeout', `libvirt at ${this.#options.uri} ${why}`, { details });
  }
}
