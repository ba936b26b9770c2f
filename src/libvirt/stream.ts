import { Duplex } from 'node:stream';
import type { TidepoolError } from '../domain/errors.ts';
import { type Packet, packetStatus, streamChunkBytes } from './packet.ts';

type Done = (error?: Error | null) => void;

/** What a stream needs of its connection. */
export interface StreamWire {
  /** Sends a stream packet; `done` is called when the transport has taken it. */
  send(status: number, payload: Uint8Array, done: Done): void;
  /** The reader is full, or has room again. */
  setFull(full: boolean): void;
  /** The stream is over on both sides; its serial may be forgotten. */
  forget(): void;
}

const empty = new Uint8Array();

/**
 * A libvirt stream (console, upload) as a Duplex. Flow control: a reader that does not read stops the whole
 * connection, so open streams on a connection of their own.
 */
export class LibvirtStream extends Duplex {
  readonly #wire: StreamWire;
  /** Nothing more may be sent: the peer ended the stream, or we told it that we do. */
  #over = false;
  #endSeen = false;

  constructor(wire: StreamWire) {
    super({ allowHalfOpen: false });
    this.#wire = wire;
    // The loss of a stream that nobody listens to any more must not end the process.
    this.on('error', () => undefined);
  }

  /** A stream packet of the peer. `error` is set when it carries one. */
  receive(packet: Packet, error: TidepoolError | undefined): void {
    if (error !== undefined || packet.status !== packetStatus.more) {
      this.#over = true;
      this.#wire.forget();
    }
    if (this.destroyed) return;
    if (error !== undefined) this.destroy(error);
    else if (packet.status === packetStatus.more && packet.payload.length > 0) this.#take(packet.payload);
    else this.#endReading();
  }

  override _read(): void {
    this.#wire.setFull(false);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    this.#sendFrom(chunk, 0, done);
  }

  override _final(done: Done): void {
    if (this.#over) {
      done();
    } else {
      this.#over = true;
      this.#wire.send(packetStatus.ok, empty, done);
    }
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#wire.setFull(false);
    if (!this.#over) {
      this.#over = true;
      this.#wire.send(packetStatus.error, empty, () => undefined);
    }
    done(error);
  }

  #take(payload: Uint8Array): void {
    if (!this.push(Buffer.from(payload))) this.#wire.setFull(true);
  }

  /** libvirt marks the end of what it sends by an empty packet, and confirms ours by another. */
  #endReading(): void {
    if (this.#endSeen) return;
    this.#endSeen = true;
    this.push(null);
  }

  #sendFrom(chunk: Buffer, offset: number, done: Done): void {
    const end = offset + streamChunkBytes;
    this.#wire.send(packetStatus.more, chunk.subarray(offset, end), (error) => {
      if (error || end >= chunk.length) done(error);
      else this.#sendFrom(chunk, end, done);
    });
  }
}
