import type { Duplex } from 'node:stream';
import type { Clock } from '../domain/clock.ts';
import { hasCode, TidepoolError, toTidepoolError } from '../domain/errors.ts';
import { Calls } from './calls.ts';
import type { Codec } from './codec.ts';
import { fromLibvirt } from './errors.ts';
import { Keepalive, keepaliveProgram } from './keepalive.ts';
import { encodePacket, type Packet, PacketReader, packetStatus, packetType } from './packet.ts';
import { type Procedure, remoteProgram } from './procedures.ts';
import { LibvirtStream } from './stream.ts';
import { remoteError } from './types.ts';
import { malformed, XdrReader, XdrWriter } from './xdr.ts';

export interface ConnectionOptions {
  readonly clock: Clock;
  /** For messages. */
  readonly uri: string;
  /** Events: everything that the server sends without being asked. Must not throw. */
  onMessage(procedure: number, payload: Uint8Array): void;
}

const maxSerial = 0xffff_ffff;
/** libvirt's own values: a peer is dead after 30 s of silence. */
const keepaliveIntervalMs = 5_000;
const keepaliveSilentIntervals = 5;

/**
 * One connection to a libvirt daemon. Calls may overlap (calls.ts); each has its deadline; when the connection ends, every
 * caller that waits gets `unavailable`, and so does every later one.
 */
export class Connection {
  /** Resolves, with the reason, when the connection has ended. */
  readonly ended: Promise<TidepoolError>;
  readonly #transport: Duplex;
  readonly #options: ConnectionOptions;
  readonly #keepalive: Keepalive;
  readonly #reader = new PacketReader();
  readonly #calls: Calls;
  readonly #streams = new Map<number, LibvirtStream>();
  readonly #fullStreams = new Set<number>();
  #serial = 0;
  #endReason: TidepoolError | undefined;
  #resolveEnded: (reason: TidepoolError) => void = () => undefined;

  constructor(transport: Duplex, options: ConnectionOptions) {
    this.#transport = transport;
    this.#options = options;
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    this.#calls = new Calls({
      clock: options.clock,
      uri: options.uri,
      onHopeless: (what) => this.#end(this.#lost(what)),
    });
    this.#keepalive = new Keepalive({
      clock: options.clock,
      intervalMs: keepaliveIntervalMs,
      silentIntervals: keepaliveSilentIntervals,
      send: (packet) => void this.#transport.write(packet),
      onDead: () => this.#end(this.#lost('it was silent for 30 s')),
    });
    transport.on('data', (chunk: Buffer) => this.#receive(chunk));
    transport.on('error', (error) =>
      this.#end(hasCode(error, 'unavailable') ? error : this.#lost(error.message, error)),
    );
    transport.on('close', () => this.#end(this.#lost('the other side closed it')));
    if (transport.destroyed) this.#end(this.#lost('the other side closed it'));
  }

  get isOpen(): boolean {
    return this.#endReason === undefined;
  }

  /** Begins to watch the peer. Only for a peer that said that it knows keepalive. */
  startKeepalive(): void {
    if (this.isOpen) this.#keepalive.start();
  }

  /** Errors: `unavailable`, `timeout`, `exhausted`, and what libvirt's own answer maps to (errors.ts). */
  async call<A, R>(procedure: Procedure<A, R>, args: A): Promise<R> {
    const serial = this.#nextSerial();
    return this.#exchange(serial, procedure, args);
  }

  /** Calls a procedure whose success opens a stream. */
  async openStream<A>(procedure: Procedure<A, void>, args: A): Promise<Duplex> {
    const serial = this.#nextSerial();
    const stream = this.#addStream(serial, procedure.number);
    try {
      await this.#exchange(serial, procedure, args);
      return stream;
    } catch (error) {
      this.#streams.delete(serial);
      throw error;
    }
  }

  /** Ends the connection at once. Callers that wait get `unavailable`. */
  close(): void {
    this.#end(this.#lost('it was closed by Tidepool'));
  }

  async #exchange<A, R>(serial: number, procedure: Procedure<A, R>, args: A): Promise<R> {
    if (this.#endReason !== undefined) throw this.#endReason;
    const sent = encode(procedure.args, args);
    const payload = await this.#calls.make({
      serial,
      name: procedure.name,
      deadlineMs: procedure.deadlineMs,
      key: procedure.sameFor === undefined ? undefined : `${procedure.number} ${procedure.sameFor(args)}`,
      send: () => this.#send(packetType.call, procedure.number, serial, packetStatus.ok, sent),
    });
    return decode(procedure.reply, payload);
  }

  #nextSerial(): number {
    this.#serial = this.#serial === maxSerial ? 1 : this.#serial + 1;
    return this.#serial;
  }

  #send(
    type: number,
    procedure: number,
    serial: number,
    status: number,
    payload: Uint8Array,
    done?: (error?: Error | null) => void,
  ): void {
    const { number: program, version } = remoteProgram;
    this.#transport.write(encodePacket({ program, version, procedure, type, serial, status, payload }), done);
  }

  #receive(chunk: Buffer): void {
    this.#keepalive.heard();
    try {
      for (const packet of this.#reader.push(chunk)) this.#dispatch(packet);
    } catch (error) {
      this.#end(toTidepoolError(error));
    }
  }

  #dispatch(packet: Packet): void {
    if (packet.program === keepaliveProgram) this.#keepalive.receive(packet);
    else if (packet.program !== remoteProgram.number) throw malformed(`a packet of program ${packet.program}`);
    else if (packet.type === packetType.reply) this.#onReply(packet);
    else if (packet.type === packetType.stream) this.#onStream(packet);
    else if (packet.type === packetType.message) this.#options.onMessage(packet.procedure, packet.payload);
    else throw malformed(`a packet of type ${packet.type}`);
  }

  #onReply(packet: Packet): void {
    const { serial, status, payload } = packet;
    const name = this.#calls.nameOf(serial);
    if (name === undefined) return;
    if (status === packetStatus.ok) this.#calls.resolve(serial, payload);
    else if (status === packetStatus.error) this.#calls.reject(serial, fromLibvirt(name, decode(remoteError, payload)));
    else throw malformed(`a reply of status ${status}`);
  }

  #onStream(packet: Packet): void {
    const stream = this.#streams.get(packet.serial);
    if (stream === undefined) return;
    const error =
      packet.status === packetStatus.error && packet.payload.length > 0
        ? fromLibvirt('the stream', decode(remoteError, packet.payload))
        : undefined;
    stream.receive(packet, error);
  }

  #addStream(serial: number, procedure: number): LibvirtStream {
    const stream = new LibvirtStream({
      send: (status, payload, done) => {
        if (this.isOpen) this.#send(packetType.stream, procedure, serial, status, payload, done);
        else done(this.#endReason);
      },
      setFull: (full) => this.#setFull(serial, full),
      forget: () => this.#streams.delete(serial),
    });
    this.#streams.set(serial, stream);
    return stream;
  }

  #setFull(serial: number, full: boolean): void {
    if (full) this.#fullStreams.add(serial);
    else this.#fullStreams.delete(serial);
    if (this.#fullStreams.size > 0) this.#transport.pause();
    else if (this.isOpen) this.#transport.resume();
  }

  #lost(why: string, cause?: unknown): TidepoolError {
    return new TidepoolError('unavailable', `the connection to libvirt at ${this.#options.uri} ended: ${why}`, {
      cause,
    });
  }

  /** The first reason stands. Everything that waits is woken. */
  #end(reason: TidepoolError): void {
    if (this.#endReason !== undefined) return;
    const error = reason.code === 'unavailable' ? reason : this.#lost(reason.message, reason);
    this.#endReason = error;
    this.#keepalive.stop();
    this.#transport.destroy();
    this.#calls.end(error);
    for (const stream of [...this.#streams.values()]) stream.destroy(error);
    this.#streams.clear();
    this.#resolveEnded(error);
  }
}

function encode<A>(codec: Codec<A>, value: A): Uint8Array {
  const writer = new XdrWriter();
  codec.write(writer, value);
  return writer.finish();
}

/** The value of a whole payload: bytes left over mean that we misread it. */
export function decode<R>(codec: Codec<R>, payload: Uint8Array): R {
  const reader = new XdrReader(payload);
  const value = codec.read(reader);
  if (reader.remaining > 0) throw malformed(`${reader.remaining} bytes after the end of a message`);
  return value;
}
