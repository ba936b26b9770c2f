import type { Clock } from '../domain/clock.ts';
import { encodePacket, type Packet, packetStatus, packetType } from './packet.ts';

/** libvirt's keepalive program (libvirt: src/rpc/virkeepaliveprotocol.x), the letters `keep`. */
export const keepaliveProgram = 0x6b656570;
const keepaliveVersion = 1;
const procedure = { ping: 1, pong: 2 } as const;

export interface KeepaliveOptions {
  readonly clock: Clock;
  /** A ping goes out each time that so long has passed. */
  readonly intervalMs: number;
  /** So many silent intervals in a row mean that the peer is dead. */
  readonly silentIntervals: number;
  send(packet: Buffer): void;
  onDead(): void;
}

/** Both sides of keepalive: answers the peer's pings, and pings the peer. */
export class Keepalive {
  readonly #options: KeepaliveOptions;
  #silent = 0;
  #cancel: (() => void) | undefined;

  constructor(options: KeepaliveOptions) {
    this.#options = options;
  }

  /** Begins to ping. Without it the peer's pings are answered all the same. */
  start(): void {
    this.#cancel ??= this.#options.clock.after(this.#options.intervalMs, () => this.#tick());
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** To be called for every packet of any kind: whoever speaks is alive. */
  heard(): void {
    this.#silent = 0;
  }

  receive(packet: Packet): void {
    if (packet.procedure === procedure.ping) this.#options.send(message(procedure.pong));
  }

  #tick(): void {
    this.#cancel = undefined;
    this.#silent += 1;
    if (this.#silent > this.#options.silentIntervals) {
      this.#options.onDead();
      return;
    }
    this.#options.send(message(procedure.ping));
    this.start();
  }
}

function message(number: number): Buffer {
  return encodePacket({
    program: keepaliveProgram,
    version: keepaliveVersion,
    procedure: number,
    type: packetType.message,
    serial: 0,
    status: packetStatus.ok,
    payload: new Uint8Array(),
  });
}
