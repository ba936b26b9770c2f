import { TidepoolError } from '../domain/errors.ts';

/**
 * XDR (RFC 4506): big-endian, every item a multiple of four bytes. Reading checks every length against what is there
 * and against the type's own limit before anything is allocated; what does not fit is an `upstream` error.
 */
export class XdrWriter {
  #buffer = Buffer.alloc(256);
  #length = 0;

  /** What was written so far. */
  finish(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  int(value: number): void {
    const at = this.#grow(4);
    this.#buffer.writeInt32BE(value, at);
  }

  uint(value: number): void {
    const at = this.#grow(4);
    this.#buffer.writeUInt32BE(value, at);
  }

  hyper(value: bigint): void {
    const at = this.#grow(8);
    this.#buffer.writeBigInt64BE(value, at);
  }

  uhyper(value: bigint): void {
    const at = this.#grow(8);
    this.#buffer.writeBigUInt64BE(value, at);
  }

  double(value: number): void {
    const at = this.#grow(8);
    this.#buffer.writeDoubleBE(value, at);
  }

  /** Bytes of a length that both sides know, padded with zeros. */
  fixedBytes(bytes: Uint8Array): void {
    const at = this.#grow(padded(bytes.length));
    this.#buffer.set(bytes, at);
    this.#buffer.fill(0, at + bytes.length, this.#length);
  }

  bytes(bytes: Uint8Array): void {
    this.uint(bytes.length);
    this.fixedBytes(bytes);
  }

  /** Makes room and returns where it starts. */
  #grow(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#buffer.length) {
      const larger = Buffer.alloc(Math.max(this.#length, this.#buffer.length * 2));
      larger.set(this.#buffer.subarray(0, at));
      this.#buffer = larger;
    }
    return at;
  }
}

/** Reads what an XdrWriter, or a peer, wrote. */
export class XdrReader {
  readonly #buffer: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Bytes that are not read yet. */
  get remaining(): number {
    return this.#buffer.length - this.#at;
  }

  int(): number {
    return this.#buffer.readInt32BE(this.#take(4));
  }

  uint(): number {
    return this.#buffer.readUInt32BE(this.#take(4));
  }

  hyper(): bigint {
    return this.#buffer.readBigInt64BE(this.#take(8));
  }

  uhyper(): bigint {
    return this.#buffer.readBigUInt64BE(this.#take(8));
  }

  double(): number {
    return this.#buffer.readDoubleBE(this.#take(8));
  }

  /** A view, not a copy: it lives as long as the packet that it came in. */
  fixedBytes(length: number): Buffer {
    const at = this.#take(padded(length));
    return this.#buffer.subarray(at, at + length);
  }

  bytes(maxLength: number): Buffer {
    const length = this.uint();
    if (length > maxLength) throw malformed(`a string of ${length} bytes where ${maxLength} are allowed`);
    return this.fixedBytes(length);
  }

  /** The number of elements that follow. `leastBytes` is the least that one element takes on the wire. */
  count(maxCount: number, leastBytes: number): number {
    const count = this.uint();
    if (count > maxCount) throw malformed(`an array of ${count} elements where ${maxCount} are allowed`);
    if (count * leastBytes > this.remaining) throw malformed(`an array of ${count} elements in too few bytes`);
    return count;
  }

  #take(count: number): number {
    if (count > this.remaining) throw malformed(`${count} bytes wanted and ${this.remaining} left`);
    const at = this.#at;
    this.#at += count;
    return at;
  }
}

/** The error of everything that is not of the protocol. */
export function malformed(what: string): TidepoolError {
  return new TidepoolError('upstream', `libvirt sent a message that is not of its protocol: ${what}`);
}

function padded(length: number): number {
  return (length + 3) & ~3;
}
