import { malformed, XdrReader, XdrWriter } from './xdr.ts';

/**
 * Framing of libvirt's RPC (libvirt: src/rpc/virnetprotocol.x): a length that counts itself, six header words, then a
 * payload whose meaning the header tells.
 */
export interface Packet {
  readonly program: number;
  readonly version: number;
  readonly procedure: number;
  readonly type: number;
  readonly serial: number;
  readonly status: number;
  readonly payload: Uint8Array;
}

export const packetType = { call: 0, reply: 1, message: 2, stream: 3 } as const;
export const packetStatus = { ok: 0, error: 1, more: 2 } as const;

const lengthBytes = 4;
const headerBytes = 24;
/** VIR_NET_MESSAGE_MAX of current libvirt (16 MiB in older ones) and the length word itself. */
export const maxPacketBytes = 32 * 1024 * 1024 + lengthBytes;
/** The largest payload of a stream packet that every libvirt takes is 262,120 bytes; a quarter flows as well. */
export const streamChunkBytes = 64 * 1024;

/** The bytes of a packet, its length first. */
export function encodePacket(packet: Packet): Buffer {
  const writer = new XdrWriter();
  writer.uint(lengthBytes + headerBytes + packet.payload.length);
  writer.uint(packet.program);
  writer.uint(packet.version);
  writer.int(packet.procedure);
  writer.int(packet.type);
  writer.uint(packet.serial);
  writer.int(packet.status);
  return Buffer.concat([writer.finish(), packet.payload]);
}

/** Cuts a byte stream into packets. Holds at most one packet that is not complete. */
export class PacketReader {
  #chunks: Uint8Array[] = [];
  #held = 0;
  #wanted: number | undefined;

  /** The packets that `chunk` completes. Throws `upstream` on a length that cannot be; then the stream is lost. */
  push(chunk: Uint8Array): Packet[] {
    this.#chunks.push(chunk);
    this.#held += chunk.length;
    const packets: Packet[] = [];
    for (let packet = this.#next(); packet !== undefined; packet = this.#next()) packets.push(packet);
    return packets;
  }

  #next(): Packet | undefined {
    if (this.#wanted === undefined && this.#held >= lengthBytes) this.#wanted = this.#readLength();
    if (this.#wanted === undefined || this.#held < this.#wanted) return undefined;
    const all = this.#joined();
    const body = all.subarray(lengthBytes, this.#wanted);
    this.#chunks = all.length === this.#wanted ? [] : [all.subarray(this.#wanted)];
    this.#held -= this.#wanted;
    this.#wanted = undefined;
    return decodeBody(body);
  }

  #readLength(): number {
    const length = this.#joined().readUInt32BE(0);
    if (length < lengthBytes + headerBytes || length > maxPacketBytes) {
      throw malformed(`a packet of ${length} bytes (${lengthBytes + headerBytes} to ${maxPacketBytes} are allowed)`);
    }
    return length;
  }

  #joined(): Buffer {
    const first = this.#chunks[0];
    const all =
      this.#chunks.length === 1 && first !== undefined
        ? Buffer.from(first.buffer, first.byteOffset, first.length)
        : Buffer.concat(this.#chunks);
    this.#chunks = [all];
    return all;
  }
}

function decodeBody(body: Uint8Array): Packet {
  const reader = new XdrReader(body);
  return {
    program: reader.uint(),
    version: reader.uint(),
    procedure: reader.int(),
    type: reader.int(),
    serial: reader.uint(),
    status: reader.int(),
    payload: body.subarray(headerBytes),
  };
}
