import { type TidepoolError, toTidepoolError } from '../domain/errors.ts';
import { Backoff } from '../reconcile/backoff.ts';
import type { Connection } from './connection.ts';
import { type LibvirtOptions, openConnection } from './open-connection.ts';
import { type Procedure, procedures } from './procedures.ts';

export interface LaneOptions extends LibvirtOptions {
  /** What it is for, in messages. */
  readonly name: string;
  log(message: string): void;
  /** Everything that the server sends without being asked. Must not throw. */
  onMessage(procedure: number, payload: Uint8Array): void;
  /** Called with each connection before it is used. An error of it is one of the connection. */
  prepare(connection: Connection): Promise<void>;
  /** The connection was lost; it is being opened again. */
  onLost(reason: TidepoolError): void;
  /** The connection was lost and is there again; events of the time between are lost. */
  onReconnect(): void;
}

const firstRetryMs = 100;
const longestRetryMs = 5_000;

/**
 * A connection that comes back. While it is lost, calls fail with `unavailable` at once; a loop opens it again, waiting
 * longer after each failure up to 5 s.
 */
export class Lane {
  readonly #options: LaneOptions;
  readonly #closing = new AbortController();
  #connection: Connection;
  #reopening: Promise<void> | undefined;

  private constructor(options: LaneOptions, connection: Connection) {
    this.#options = options;
    this.#connection = connection;
  }

  /** The first connection must succeed. */
  static async open(options: LaneOptions): Promise<Lane> {
    const lane = new Lane(options, await connect(options));
    lane.#watch();
    return lane;
  }

  async call<A, R>(procedure: Procedure<A, R>, args: A): Promise<R> {
    return this.#connection.call(procedure, args);
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
      this.#options.log(`${reason.message}; connecting again (${this.#options.name})`);
      this.#options.onLost(reason);
      this.#reopening = this.#reopen();
    });
  }

  async #reopen(): Promise<void> {
    const { clock, log, uri, name } = this.#options;
    const pace = { firstPauseMs: firstRetryMs, longestPauseMs: longestRetryMs };
    const backoff = new Backoff(`libvirt at ${uri} ${name}`, pace);
    let said = '';
    for (;;) {
      await clock.sleep(backoff.failed(clock.uptimeMs()), this.#closing.signal).catch(() => undefined);
      if (this.#closing.signal.aborted) return;
      try {
        this.#connection = await connect(this.#options);
        break;
      } catch (error) {
        const { message } = toTidepoolError(error);
        if (message !== said) log(`libvirt at ${uri} is not back (${name}): ${message}`);
        said = message;
      }
    }
    if (this.#closing.signal.aborted) return this.#connection.close();
    log(`libvirt at ${uri} is back after ${backoff.failures} tries (${name})`);
    this.#watch();
    this.#options.onReconnect();
  }
}

async function connect(options: LaneOptions): Promise<Connection> {
  const onMessage = (procedure: number, payload: Uint8Array): void => options.onMessage(procedure, payload);
  const connection = await openConnection(options, onMessage, true);
  try {
    await options.prepare(connection);
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  }
}
