import { connect, type Socket } from 'node:net';
import type { Address, Lane, LaneOwner } from './lane.ts';
import type { LoadRequest } from './request.ts';

/** Reads one answer after another from a connection's bytes, however they are cut. */
export interface AnswerReader {
  /**
   * Takes the first `length` bytes of the buffer, which is used again afterwards. `done` and `bad` end the answer.
   * Whatever comes is bounded: no more is kept than the reader's own limits.
   */
  read(bytes: Buffer, length: number): 'more' | 'done' | 'bad';
  /** The other side has closed the connection. Whether the answer is whole by that. */
  end(): boolean;
  /** Of the answer that is done. */
  readonly outcome: 'ok' | 'http 4xx' | 'http 5xx';
  readonly server: string | undefined;
  /** Whether the connection may carry another request. */
  readonly keepsOpen: boolean;
  /** Makes ready for the next answer. */
  reset(): void;
}

/** Gives the bytes of a request by its number. */
export type Render = (number: number) => Buffer;

/** One for all connections: the answer has been read before another connection's read begins. */
const readBuffer = Buffer.allocUnsafeSlow(64 * 1024);

/** A TCP connection that carries one request at a time. */
export class StreamLane implements Lane {
  request: LoadRequest | null = null;
  readonly #socket: Socket;
  readonly #owner: LaneOwner;
  readonly #reader: AnswerReader;
  readonly #render: Render;
  #isConnected = false;
  #isClosed = false;
  #answers = 0;
  /** Something of the answer has come. */
  #hasBegun = false;

  constructor(address: Address, render: Render, reader: AnswerReader, owner: LaneOwner) {
    this.#render = render;
    this.#reader = reader;
    this.#owner = owner;
    this.#socket = connect({
      host: address.host,
      port: address.port,
      noDelay: true,
      onread: { buffer: readBuffer, callback: (length, bytes) => this.#onRead(bytes as Buffer, length) },
    });
    this.#socket.once('connect', () => {
      this.#isConnected = true;
    });
    // `close` follows and says all that is needed.
    this.#socket.on('error', () => undefined);
    this.#socket.once('close', () => this.#onClose());
  }

  send(request: LoadRequest): void {
    this.request = request;
    this.#hasBegun = false;
    this.#reader.reset();
    this.#socket.write(this.#render(request.number));
  }

  close(): void {
    this.#isClosed = true;
    this.#socket.destroy();
  }

  #onRead(bytes: Buffer, length: number): boolean {
    if (this.#isClosed) return false;
    const { request } = this;
    if (request === null) {
      // Nobody asked: what comes now would be taken for the next answer.
      this.close();
      this.#owner.gone(this);
      return false;
    }
    this.#hasBegun = true;
    const state = this.#reader.read(bytes, length);
    if (state === 'more') return true;
    this.request = null;
    this.#answers += 1;
    const { outcome, server, keepsOpen } = this.#reader;
    if (state === 'done') this.#owner.ended(this, request, outcome, server, keepsOpen);
    else this.#owner.ended(this, request, 'bad answer', server, false);
    return !this.#isClosed;
  }

  #onClose(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { request } = this;
    this.request = null;
    if (request === null) this.#owner.gone(this);
    else if (!this.#isConnected) this.#owner.ended(this, request, 'connect', undefined, false);
    else if (!this.#hasBegun && this.#answers > 0) this.#owner.ended(this, request, 'stale', undefined, false);
    else if (this.#hasBegun && this.#reader.end()) this.#endedByClose(request);
    else this.#owner.ended(this, request, 'reset', undefined, false);
  }

  #endedByClose(request: LoadRequest): void {
    this.#owner.ended(this, request, this.#reader.outcome, this.#reader.server, false);
  }
}
