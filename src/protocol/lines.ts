/** Pieces of a line that are kept apart: joining them at each push would cost a sender of single bytes little and us much. */
const maxPieces = 64;

/** Cuts a byte stream into lines of UTF-8 text. Push chunks of any size; what has no end yet waits for the next push. */
export class LineReader {
  readonly #maxBytes: number;
  #pieces: Uint8Array[] = [];
  #size = 0;

  /** @param maxBytes of a line, without its end */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Lines that are now complete, without their ends; empty ones too. Throws RangeError when one is too long. */
  push(chunk: Uint8Array): string[] {
    const lines: string[] = [];
    let from = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      this.#keep(chunk.subarray(from, end));
      lines.push(Buffer.concat(this.#pieces).toString());
      this.#pieces = [];
      this.#size = 0;
      from = end + 1;
    }
    this.#keep(chunk.subarray(from));
    return lines;
  }

  #keep(piece: Uint8Array): void {
    this.#size += piece.length;
    if (this.#size > this.#maxBytes) throw new RangeError(`a line of more than ${this.#maxBytes} bytes`);
    if (piece.length > 0) this.#pieces.push(piece);
    if (this.#pieces.length > maxPieces) this.#pieces = [Buffer.concat(this.#pieces)];
  }
}

/**
 * A chunk that was read from a stream, and all that the stream holds beyond it: an iteration gives them one by one, and what
 * has come together is better handled together.
 */
export function withBuffered(chunk: Uint8Array, stream: { read(): Uint8Array | null }): Uint8Array {
  const chunks = [chunk];
  for (let next = stream.read(); next !== null; next = stream.read()) chunks.push(next);
  return chunks.length === 1 ? chunk : Buffer.concat(chunks);
}
