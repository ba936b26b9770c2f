import { type IncomingHttpHeaders, request } from 'node:http';
import { text } from 'node:stream/consumers';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** Of the problem, or ''. */
  readonly detail: string;
}

/** A request with exactly these headers: `fetch` does not let one choose Host, Origin and Cookie. */
export function ask(
  url: string,
  method: string,
  headers: Readonly<Record<string, string>> = {},
  body?: unknown,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const type = body === undefined ? {} : { 'content-type': 'application/json' };
    const outgoing = request(url, { method, headers: { ...type, ...headers } }, (response) => {
      text(response).then((content) => {
        const detail = response.headers['content-type']?.includes('problem') ? JSON.parse(content).detail : '';
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text: content, detail });
      }, reject);
    });
    outgoing.on('upgrade', (response, socket) => {
      socket.destroy();
      resolve({ status: response.statusCode ?? 0, headers: response.headers, text: '', detail: '' });
    });
    outgoing.on('error', reject);
    outgoing.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** The headers of a WebSocket's handshake. */
export const upgrade = {
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
};
