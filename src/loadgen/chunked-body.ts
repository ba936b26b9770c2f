const lf = 0x0a;
/** Of a line with a chunk's size and its extensions, and of all lines after the last chunk. */
const mostLineBytes = 4 * 1024;
const mostTrailerBytes = 32 * 1024;
/** The size of a chunk in hexadecimal: up to 2^52. */
const sizeLine = /^([0-9a-fA-F]{1,13})[ \t]*(?:;.*)?\r$/;

/** Follows a chunked body to its end (RFC 9112, 7.1), however it is cut; keeps none of it. */
export class ChunkedBody {
  #part: 'size' | 'data' | 'data end' | 'trailer' = 'size';
  #line = '';
  #restBytes = 0;
  #trailerBytes = 0;

  /** Takes bytes from `at` to `length`; gives where the body has ended, or how it stands. */
  read(bytes: Buffer, at: number, length: number): number | 'more' | 'bad' {
    let next = at;
    while (next < length) {
      if (this.#part === 'data') {
        const taken = Math.min(this.#restBytes, length - next);
        this.#restBytes -= taken;
        next += taken;
        if (this.#restBytes === 0) this.#part = 'data end';
        continue;
      }
      const found = bytes.indexOf(lf, next);
      const end = found < 0 || found >= length ? length : found;
      this.#line += bytes.toString('latin1', next, Math.min(end, next + mostLineBytes));
      if (this.#line.length >= mostLineBytes) return 'bad';
      if (end === length) return 'more';
      next = end + 1;
      const state = this.#takeLine();
      if (state === 'bad') return 'bad';
      if (state === 'done') return next;
    }
    return 'more';
  }

  #takeLine(): 'more' | 'done' | 'bad' {
    const line = this.#line;
    this.#line = '';
    if (this.#part === 'size') {
      const size = sizeLine.exec(line)?.[1];
      if (size === undefined) return 'bad';
      this.#restBytes = Number.parseInt(size, 16);
      this.#part = this.#restBytes === 0 ? 'trailer' : 'data';
      return 'more';
    }
    if (this.#part === 'data end') {
      this.#part = 'size';
      return line === '\r' ? 'more' : 'bad';
    }
    this.#trailerBytes += line.length + 1;
    if (this.#trailerBytes > mostTrailerBytes || !line.endsWith('\r')) return 'bad';
    return line === '\r' ? 'done' : 'more';
  }
}
