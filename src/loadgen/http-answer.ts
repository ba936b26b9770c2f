import { ChunkedBody } from './chunked-body.ts';
import { type HttpHead, outcomeOf, parseHead } from './http-head.ts';
import type { AnswerReader } from './stream-lane.ts';

const endOfHead = '\r\n\r\n';
const mostHeadBytes = 32 * 1024;
/** As much of a JSON body is looked at for the field `server`. */
const lookedAtBytes = 4 * 1024;
const serverField = /"server"\s*:\s*"([!#-[\]-~]{1,100})"/;

/**
 * Reads answers of HTTP/1.1 and 1.0 to requests that may have a body in their answer (so none to HEAD). A body is
 * counted, not kept. Strict: whoever is not understood gave a bad answer.
 */
export class HttpAnswer implements AnswerReader {
  outcome: 'ok' | 'http 4xx' | 'http 5xx' = 'ok';
  server: string | undefined;
  keepsOpen = false;
  /** The beginning of a head whose end has not come. */
  #partialHead: Buffer | null = null;
  #head: HttpHead | null = null;
  /** Of a body with a length: bytes that are still to come. */
  #restBytes = 0;
  #chunked: ChunkedBody | null = null;
  #looked = '';
  /** Servers send the same head again and again, but for the date. */
  #knownText = '';
  #knownHead: HttpHead | undefined;

  reset(): void {
    this.server = undefined;
    this.#partialHead = null;
    this.#head = null;
    this.#chunked = null;
    this.#looked = '';
  }

  read(bytes: Buffer, length: number): 'more' | 'done' | 'bad' {
    let at = 0;
    // An interim answer (1xx) is followed by another.
    while (this.#head === null) {
      const next = this.#readHead(bytes, at, length);
      if (typeof next === 'string') return next;
      at = next;
    }
    return this.#readBody(this.#head, bytes, at, length);
  }

  end(): boolean {
    if (this.#head?.framing.kind !== 'close') return false;
    this.#finish(this.#head);
    return true;
  }

  /** Where the head ends, or how it stands. */
  #readHead(bytes: Buffer, at: number, length: number): number | 'more' | 'bad' {
    const kept = this.#partialHead;
    const source = kept === null ? bytes : Buffer.concat([kept, bytes.subarray(at, length)]);
    const start = kept === null ? at : 0;
    const limit = kept === null ? length : source.length;
    const end = source.indexOf(endOfHead, start);
    // What lies behind the limit is left from an earlier read.
    if (end < 0 || end + endOfHead.length > limit) {
      if (limit - start > mostHeadBytes) return 'bad';
      this.#partialHead = Buffer.from(source.subarray(start, limit));
      return 'more';
    }
    if (end - start > mostHeadBytes) return 'bad';
    const head = this.#parse(source.toString('latin1', start, end));
    if (head === undefined || head.status === 101) return 'bad';
    this.#partialHead = null;
    if (head.status >= 200) this.#begin(head);
    return end + endOfHead.length + (kept === null ? 0 : at - kept.length);
  }

  #parse(text: string): HttpHead | undefined {
    if (text !== this.#knownText) {
      this.#knownHead = parseHead(text);
      this.#knownText = text;
    }
    return this.#knownHead;
  }

  #begin(head: HttpHead): void {
    this.#head = head;
    if (head.framing.kind === 'length') this.#restBytes = head.framing.bytes;
    if (head.framing.kind === 'chunked') this.#chunked = new ChunkedBody();
  }

  #readBody(head: HttpHead, bytes: Buffer, at: number, length: number): 'more' | 'done' | 'bad' {
    if (head.server === undefined && head.isJson && this.#looked.length < lookedAtBytes) {
      this.#looked += bytes.toString('latin1', at, Math.min(length, at + lookedAtBytes));
    }
    if (head.framing.kind === 'close') return 'more';
    let end: number;
    if (this.#chunked !== null) {
      const state = this.#chunked.read(bytes, at, length);
      if (typeof state === 'string') return state;
      end = state;
    } else {
      if (length - at < this.#restBytes) {
        this.#restBytes -= length - at;
        return 'more';
      }
      end = at + this.#restBytes;
    }
    this.#finish(head);
    // More than was asked for: the next answer could not be told from it.
    if (end < length) this.keepsOpen = false;
    return 'done';
  }

  #finish(head: HttpHead): void {
    this.outcome = outcomeOf(head.status);
    this.keepsOpen = head.keepsOpen;
    this.server = head.server ?? (this.#looked === '' ? undefined : serverField.exec(this.#looked)?.[1]);
  }
}
