import type { RequestOutcome } from '../protocol/recording.ts';

/** How the end of an answer's body is found (RFC 9112, 6.3). */
export type Framing =
  | { readonly kind: 'length'; readonly bytes: number }
  | { readonly kind: 'chunked' }
  /** It ends with the connection. */
  | { readonly kind: 'close' };

/** What of an answer's head matters here. */
export interface HttpHead {
  readonly status: number;
  readonly framing: Framing;
  readonly keepsOpen: boolean;
  /** The field `x-tidepool-server`. */
  readonly server: string | undefined;
  readonly isJson: boolean;
}

const statusLine = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: [^\r\n\0]*)?$/;
const fieldName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const serverName = /^[\x21-\x7e]{1,100}$/;
const mostDigits = 15;

/** Reads a head without its last empty line; undefined when it is none. Pure. */
export function parseHead(text: string): HttpHead | undefined {
  const [first = '', ...lines] = text.split('\r\n');
  const match = statusLine.exec(first);
  if (match === null) return undefined;
  const status = Number(match[2]);
  let length: string | undefined;
  let coding: string | undefined;
  let connection = '';
  let server: string | undefined;
  let isJson = false;
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(0, colon));
    // Also refuses folded lines, which begin with a space.
    if (!fieldName.test(name)) return undefined;
    const value = line.slice(colon + 1).trim();
    switch (name.toLowerCase()) {
      case 'content-length':
        if (length !== undefined && length !== value) return undefined;
        length = value;
        break;
      case 'transfer-encoding':
        coding = coding === undefined ? value : `${coding},${value}`;
        break;
      case 'connection':
        connection += `,${value.toLowerCase()}`;
        break;
      case 'x-tidepool-server':
        if (serverName.test(value)) server = value;
        break;
      case 'content-type':
        isJson = /json/i.test(value);
        break;
    }
  }
  const framing = framingOf(status, length, coding);
  if (framing === undefined) return undefined;
  const tokens = connection.split(',').map((token) => token.trim());
  const wantsOpen = match[1] === '1' ? !tokens.includes('close') : tokens.includes('keep-alive');
  // Both kinds of framing at once: who is between us and the server may see another end (RFC 9112, 6.1).
  const isClear = length === undefined || coding === undefined;
  return { status, framing, keepsOpen: wantsOpen && isClear && framing.kind !== 'close', server, isJson };
}

/** How an answer with this status counts. Pure. */
export function outcomeOf(status: number): Extract<RequestOutcome, 'ok' | 'http 4xx' | 'http 5xx'> {
  if (status >= 500) return 'http 5xx';
  return status >= 400 ? 'http 4xx' : 'ok';
}

function framingOf(status: number, length: string | undefined, coding: string | undefined): Framing | undefined {
  if (status < 200 || status === 204 || status === 304) return { kind: 'length', bytes: 0 };
  if (coding !== undefined) return /(^|,)\s*chunked\s*$/i.test(coding) ? { kind: 'chunked' } : { kind: 'close' };
  if (length === undefined) return { kind: 'close' };
  return /^\d+$/.test(length) && length.length <= mostDigits ? { kind: 'length', bytes: Number(length) } : undefined;
}
