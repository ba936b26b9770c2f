import { EventSourceParserStream } from 'eventsource-parser/stream';
import type { z } from 'zod';
import { hasCode, TidepoolError, toTidepoolError } from '../../domain/errors.ts';
import { type EndpointView, endpointEventSchemas, serviceSchema } from '../../protocol/services.ts';
import type { ApiClient } from '../client.ts';
import type { TopClock } from '../top/feed.ts';

/** Where one VM of a service answers. */
export type Endpoint = EndpointView;

const factsSchema = serviceSchema.pick({ name: true, protocol: true, address: true });
/** What the load client needs to know of a service. */
export type ServiceFacts = z.infer<typeof factsSchema>;

/** What happens to a service's VMs. */
export type EndpointEvent = {
  [Name in keyof typeof endpointEventSchemas]: {
    readonly name: Name;
    readonly data: z.infer<(typeof endpointEventSchemas)[Name]>;
  };
}[keyof typeof endpointEventSchemas];

export interface ServiceFeedOptions {
  readonly service: string;
  readonly clock: TopClock;
  readonly signal: AbortSignal;
  /** The server, found anew: after a restart it may be at another port. */
  connect(): Promise<{ client: ApiClient }>;
}

/** Who follows a service. */
export interface ServiceListener {
  happened(event: EndpointEvent): void;
  /** The stream of events has broken, or (null) is back. */
  troubled(problem: string | null): void;
}

const pauseMs = 500;
/** Waiting does not help against these. */
const fatalCodes = ['unauthenticated', 'forbidden', 'invalid', 'not_found'] as const;

/** A service as its server tells of it, through restarts of the server. */
export class ServiceFeed {
  readonly #options: ServiceFeedOptions;
  #restart = new AbortController();

  constructor(options: ServiceFeedOptions) {
    this.#options = options;
  }

  /** Errors: `not_found`, and whatever keeps the server from answering. */
  async facts(): Promise<ServiceFacts> {
    const { client } = await this.#options.connect();
    return client.json('GET', this.#path(), factsSchema);
  }

  /** Has the service's VMs shut down. Errors as those of the server. */
  async stop(): Promise<void> {
    const { client } = await this.#options.connect();
    await client.request('POST', this.#path('/stop'));
  }

  /** Asks for the list of endpoints again. */
  refresh(): void {
    this.#restart.abort();
  }

  /** Follows events until the signal fires. Each connection begins with the list of all endpoints. */
  async follow(listener: ServiceListener): Promise<void> {
    const { clock, signal } = this.#options;
    let isBroken = false;
    while (!signal.aborted) {
      this.#restart = new AbortController();
      const problem = await this.#followOnce(listener, () => {
        if (isBroken) listener.troubled(null);
        isBroken = false;
      });
      if (signal.aborted) return;
      if (this.#restart.signal.aborted) continue;
      if (!isBroken) listener.troubled(problem.message);
      isBroken = true;
      if (fatalCodes.some((code) => hasCode(problem, code))) return;
      await clock.sleep(pauseMs, signal).catch(() => undefined);
    }
  }

  /** One connection; gives why it ended. */
  async #followOnce(listener: ServiceListener, onConnected: () => void): Promise<TidepoolError> {
    const signal = AbortSignal.any([this.#options.signal, this.#restart.signal]);
    try {
      const { client } = await this.#options.connect();
      const response = await client.request('GET', this.#path('/endpoints'), undefined, signal);
      if (response.body === null) throw new TidepoolError('upstream', 'the server sent an empty answer');
      const text = response.body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>);
      onConnected();
      for await (const { event, data } of text.pipeThrough(new EventSourceParserStream())) take(event, data, listener);
      return new TidepoolError('unavailable', 'the server ended it');
    } catch (error) {
      return toTidepoolError(error);
    }
  }

  #path(rest = ''): string {
    return `/services/${encodeURIComponent(this.#options.service)}${rest}`;
  }
}

/** Events that are not known here are passed over. */
function take(name: string | undefined, data: string, listener: ServiceListener): void {
  if (name === undefined || !Object.hasOwn(endpointEventSchemas, name)) return;
  const known = name as EndpointEvent['name'];
  const parsed = endpointEventSchemas[known].safeParse(JSON.parse(data));
  if (!parsed.success) throw new TidepoolError('upstream', `the server sent an event ${name} of another form`);
  listener.happened({ name: known, data: parsed.data } as EndpointEvent);
}
