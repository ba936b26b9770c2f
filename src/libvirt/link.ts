import type { Duplex } from 'node:stream';
import { TidepoolError, toTidepoolError } from '../domain/errors.ts';
import { type Connection, decode } from './connection.ts';
import { type LibvirtOptions, openConnection } from './open-connection.ts';
import { lifecycleEventNumber, type Procedure, procedures } from './procedures.ts';
import { type DomainRef, lifecycleMessage } from './types.ts';

/** A lifecycle event as libvirt sends it: VIR_DOMAIN_EVENT_* and its detail. */
export interface LifecycleEvent {
  readonly domain: DomainRef;
  readonly event: number;
  readonly detail: number;
}

export interface LinkOptions extends LibvirtOptions {
  log(message: string): void;
  onLifecycle(event: LifecycleEvent): void;
  /** The connection was lost; it is being opened again. */
  onLost(reason: TidepoolError): void;
  /** The connection was lost and is there again; events of the time between are lost. */
  onReconnect(): void;
}

/** VIR_DOMAIN_EVENT_ID_LIFECYCLE */
const lifecycleId = 0;
const firstRetryMs = 100;
const longestRetryMs = 5_000;

/**
 * A connection that comes back. While it is lost, calls fail with `unavailable` at once; a loop opens it again, waiting
 * longer after each failure up to 5 s, and registers for events again.
 */
export class LibvirtLink {
  readonly #options: LinkOptions;
  readonly #closing = new AbortController();
  #connection: Connection;
  #reopening: Promise<void> | undefined;

  private constructor(options: LinkOptions, connection: Connection) {
    this.#options = options;
    this.#connection = connection;
  }

  /** The first connection must succeed. */
  static async open(options: LinkOptions): Promise<LibvirtLink> {
    const link = new LibvirtLink(options, await connect(options));
    link.#watch();
    return link;
  }

  async call<A, R>(procedure: Procedure<A, R>, args: A): Promise<R> {
    return this.#connection.call(procedure, args);
  }

  /** Opens a stream on a connection of its own, which ends with it. */
  async openStream<A>(procedure: Procedure<A, void>, args: A): Promise<Duplex> {
    const connection = await openConnection(this.#options, () => undefined, false);
    try {
      const stream = await connection.openStream(procedure, args);
      stream.once('close', () => connection.close());
      return stream;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    const connection = this.#connection;
    if (connection.isOpen) {
      // The daemon frees what we hold when it hears this; when it does not, it sees the socket close.
      await connection.call(procedures.connectClose, undefined).catch(() => undefined);
      connection.close();
    }
    await this.#reopening;
  }

  #watch(): void {
    void this.#connection.ended.then((reason) => {
      if (this.#closing.signal.aborted) return;
      this.#options.log(`${reason.message}; connecting again`);
      this.#options.onLost(reason);
      this.#reopening = this.#reopen();
    });
  }

  async #reopen(): Promise<void> {
    const { clock, log, uri } = this.#options;
    for (let waitMs = firstRetryMs; ; waitMs = Math.min(waitMs * 2, longestRetryMs)) {
      await clock.sleep(waitMs, this.#closing.signal).catch(() => undefined);
      if (this.#closing.signal.aborted) return;
      try {
        this.#connection = await connect(this.#options);
        break;
      } catch (error) {
        log(`libvirt at ${uri} is not back: ${toTidepoolError(error).message}`);
      }
    }
    if (this.#closing.signal.aborted) return this.#connection.close();
    log(`libvirt at ${uri} is back`);
    this.#watch();
    this.#options.onReconnect();
  }
}

async function connect(options: LinkOptions): Promise<Connection> {
  const onMessage = (procedure: number, payload: Uint8Array): void => {
    if (procedure === lifecycleEventNumber) options.onLifecycle(decode(lifecycleMessage, payload));
  };
  const connection = await openConnection(options, onMessage, true);
  try {
    await connection.call(procedures.eventRegister, { eventId: lifecycleId, domain: null });
    return connection;
  } catch (error) {
    connection.close();
    throw new TidepoolError('unavailable', `libvirt at ${options.uri} gives no events`, { cause: error });
  }
}
