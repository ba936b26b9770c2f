/** Cuts a byte stream into lines of UTF-8 text. Push chunks of any size; what has no end yet waits for the next push. */
export class LineReader {
  readonly #maxBytes: number;
  #pending: Buffer = Buffer.alloc(0);

  /** @param maxBytes of a line, without its end */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Lines that are now complete, without their ends; empty ones too. Throws RangeError when one is too long. */
  push(chunk: Uint8Array): string[] {
    const bytes = this.#pending.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#pending, chunk]);
    const lines: string[] = [];
    let at = 0;
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, at)) {
      if (end - at > this.#maxBytes) throw new RangeError(`a line of ${end - at} bytes`);
      lines.push(bytes.toString('utf8', at, end));
      at = end + 1;
    }
    this.#pending = bytes.subarray(at);
    if (this.#pending.length > this.#maxBytes) throw new RangeError(`a line of more than ${this.#maxBytes} bytes`);
    return lines;
  }
}
