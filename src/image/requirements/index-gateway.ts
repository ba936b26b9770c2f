import { createServer, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { TidepoolError } from '../../domain/errors.ts';

const maxConnections = 32;
const silenceLimitMs = 60_000;

/** An HTTP proxy on a unix socket. */
export interface IndexGateway extends AsyncDisposable {
  /** What was asked for and refused, `host:port`. */
  readonly refused: readonly string[];
}

/**
 * The only way out of a build's container: a proxy that reaches the named hosts and no other. TLS goes through it as it
 * is, so that pip itself checks whom it talks to.
 * @param hosts `host:port`
 */
export async function startIndexGateway(socketPath: string, hosts: readonly string[]): Promise<IndexGateway> {
  const allowed = new Set(hosts.map((host) => host.toLowerCase()));
  const refused: string[] = [];
  const isAllowed = (host: string): boolean => {
    if (allowed.has(host.toLowerCase())) return true;
    if (refused.length < 10 && !refused.includes(host)) refused.push(host);
    return false;
  };
  const sockets = new Set<Socket>();
  const server = createServer((incoming, answer) => {
    const url = URL.parse(incoming.url ?? '');
    if (url?.protocol !== 'http:' || !isAllowed(hostOf(url))) {
      answer.writeHead(403).end('not the configured package index\n');
      return;
    }
    const { method, headers } = incoming;
    const options = { method: method ?? 'GET', headers: { ...headers, host: url.host }, timeout: silenceLimitMs };
    const outgoing = request(url, options, (reply) => {
      answer.writeHead(reply.statusCode ?? 502, reply.headers);
      reply.pipe(answer);
    });
    outgoing.on('timeout', () => outgoing.destroy());
    outgoing.on('error', () => (answer.headersSent ? answer.destroy() : answer.writeHead(502).end()));
    incoming.pipe(outgoing);
  });
  server.on('connect', (incoming, client: Socket) => {
    const target = incoming.url ?? '';
    if (!isAllowed(target)) {
      client.end('HTTP/1.1 403 Forbidden\r\n\r\n');
      return;
    }
    const colon = target.lastIndexOf(':');
    const peer = connect(Number(target.slice(colon + 1)), target.slice(0, colon).replace(/^\[|\]$/g, ''));
    sockets.add(peer.once('close', () => sockets.delete(peer)));
    peer.once('connect', () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n');
      peer.pipe(client);
      client.pipe(peer);
    });
    for (const socket of [client, peer]) {
      socket.setTimeout(silenceLimitMs, () => socket.destroy());
      socket.on('error', () => undefined);
      socket.once('close', () => (socket === client ? peer : client).destroy());
    }
  });
  server.on('connection', (socket) => sockets.add(socket.once('close', () => sockets.delete(socket))));
  server.maxConnections = maxConnections;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => reject(new TidepoolError('internal', `cannot listen on ${socketPath}`, { cause })));
    server.listen(socketPath, resolve);
  });
  return {
    refused,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function hostOf(url: URL): string {
  return `${url.hostname}:${url.port === '' ? '80' : url.port}`;
}
