import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Codec } from '../../src/libvirt/codec.ts';
import { encodePacket, type Packet, PacketReader, packetStatus, packetType } from '../../src/libvirt/packet.ts';
import { type Procedure, procedures, remoteProgram } from '../../src/libvirt/procedures.ts';
import { remoteError } from '../../src/libvirt/types.ts';
import { XdrWriter } from '../../src/libvirt/xdr.ts';

/** One connection as the peer sees it. */
export class PeerConnection {
  readonly received: Packet[] = [];
  readonly socket: Socket;
  /** Calls that were not answered yet, and the most of them at a time. */
  unanswered = 0;
  mostUnanswered = 0;
  readonly #mostCalls: number;
  readonly #reader = new PacketReader();
  #wake = (): void => undefined;

  /** @param mostCalls with this many calls unanswered it reads no more, as libvirt's daemon does */
  constructor(
    socket: Socket,
    onPacket: (connection: PeerConnection, packet: Packet) => void,
    mostCalls = Number.POSITIVE_INFINITY,
  ) {
    this.socket = socket;
    this.#mostCalls = mostCalls;
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      for (const packet of this.#reader.push(chunk)) {
        this.received.push(packet);
        if (packet.type === packetType.call) this.#count(1);
        onPacket(this, packet);
        this.#wake();
      }
    });
  }

  /** The next packet that fits, of those received and not yet taken. */
  async take(fits: (packet: Packet) => boolean): Promise<Packet> {
    for (;;) {
      const index = this.received.findIndex(fits);
      const [found] = index < 0 ? [] : this.received.splice(index, 1);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Waits for a call of this procedure. */
  takeCall(procedure: { readonly number: number }): Promise<Packet> {
    return this.take((packet) => packet.type === packetType.call && packet.procedure === procedure.number);
  }

  reply<A, R>(call: Packet, procedure: Procedure<A, R>, value: R): void {
    this.send({ ...call, type: packetType.reply, payload: encoded(procedure.reply, value) });
  }

  replyError(call: Packet, code: number, message: string): void {
    const payload = libvirtError(code, message);
    this.send({ ...call, type: packetType.reply, status: packetStatus.error, payload });
  }

  stream(call: Packet, status: number, payload: Uint8Array = new Uint8Array()): void {
    this.send({ ...call, type: packetType.stream, status, payload });
  }

  event(procedure: number, payload: Uint8Array): void {
    const { number: program, version } = remoteProgram;
    this.send({ program, version, procedure, type: packetType.message, serial: 0, status: packetStatus.ok, payload });
  }

  send(packet: Packet): void {
    if (packet.type === packetType.reply) this.#count(-1);
    this.socket.write(encodePacket(packet));
  }

  #count(change: 1 | -1): void {
    this.unanswered += change;
    this.mostUnanswered = Math.max(this.mostUnanswered, this.unanswered);
    if (this.unanswered >= this.#mostCalls) this.socket.pause();
    else this.socket.resume();
  }
}

interface PeerOptions {
  /** Whether it says that it knows keepalive. */
  readonly keepalive?: boolean;
  /** Whether it takes the hand-shake by itself. */
  readonly answers?: boolean;
  /** Maximum number of calls that a connection may have unanswered before it is not read any more. */
  readonly mostCalls?: number;
  /** Gets each packet after the hand-shake. */
  onPacket?(connection: PeerConnection, packet: Packet): void;
}

/** A daemon that does what the test says. It takes the hand-shake by itself. */
export class ScriptedPeer {
  readonly connections: PeerConnection[] = [];
  readonly uri: string;
  readonly #server: Server;
  readonly #folder: string;
  #wake = (): void => undefined;

  private constructor(server: Server, folder: string) {
    this.#server = server;
    this.#folder = folder;
    this.uri = `test+unix:///default?socket=${join(folder, 'sock')}`;
  }

  static async start(options: PeerOptions = {}): Promise<ScriptedPeer> {
    const { keepalive = false, answers = true, mostCalls, onPacket } = options;
    const folder = await mkdtemp(join(tmpdir(), 'tidepool-peer-'));
    const shakeHands = handshake(keepalive);
    const take = (connection: PeerConnection, packet: Packet): void => {
      if (!(answers && shakeHands(connection, packet))) onPacket?.(connection, packet);
    };
    const server = createServer((socket) => {
      const connection = new PeerConnection(socket, take, mostCalls);
      peer.connections.push(connection);
      peer.#wake();
    });
    const peer = new ScriptedPeer(server, folder);
    await new Promise<void>((resolve) => server.listen(join(folder, 'sock'), resolve));
    return peer;
  }

  /** The n-th connection, from 0, as soon as it is there. */
  async connection(index: number): Promise<PeerConnection> {
    for (;;) {
      const found = this.connections[index];
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async stop(): Promise<void> {
    for (const { socket } of this.connections) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** What a healthy daemon answers before anything else is asked of it. Tells whether the packet was part of that. */
function handshake(keepalive: boolean) {
  return (connection: PeerConnection, packet: Packet): boolean => {
    if (packet.type !== packetType.call) return false;
    const answer = (): true => {
      connection.received.splice(connection.received.indexOf(packet), 1);
      return true;
    };
    switch (packet.procedure) {
      case procedures.authList.number:
        connection.reply(packet, procedures.authList, { types: [] });
        return answer();
      case procedures.connectOpen.number:
        connection.reply(packet, procedures.connectOpen, undefined);
        return answer();
      case procedures.connectSupportsFeature.number:
        connection.reply(packet, procedures.connectSupportsFeature, { supported: keepalive ? 1 : 0 });
        return answer();
      case procedures.eventRegister.number:
        connection.reply(packet, procedures.eventRegister, { callbackId: 0 });
        return answer();
      default:
        return false;
    }
  };
}

/** The payload of a refusal. */
export function libvirtError(code: number, message: string): Buffer {
  const nothing = { dom: null, str1: null, str2: null, str3: null, int1: 0, int2: 0, net: null };
  return encoded(remoteError, { code, domain: 10, message, level: 2, ...nothing });
}

/** The bytes of a value. */
export function encoded<T>(codec: Codec<T>, value: T): Buffer {
  const writer = new XdrWriter();
  codec.write(writer, value);
  return writer.finish();
}
