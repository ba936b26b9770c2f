import { request as httpRequest, type IncomingMessage, type Server } from 'node:http';
import { createServer, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import { request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import type { AgentClock } from '../agent/clock.ts';
import { TidepoolError } from '../domain/errors.ts';
import { agentProtocol } from '../protocol/agent.ts';
import {
  dismissed,
  workerHealthEveryMs,
  workerInstanceHeader,
  workerLinkPath,
  workerNameHeader,
  workerProtocolHeader,
  workerUpgrade,
} from '../protocol/worker.ts';
import { problemError, type ServerAddress, unreachable } from './server.ts';

const windowBytes = 1024 * 1024;
const maxStreams = 512;
const answerLimitMs = 30_000;
/** Asked nothing for so long, we have lost the control plane. */
const maxQuietMs = 12 * workerHealthEveryMs;
/** After a stall of this process timers run before sockets: what came meanwhile is read first. */
const readMs = 1_000;

/** The way to the control plane while it is there. */
export interface Link {
  /** `dismissed`: it wants us no more. `lost`: anything else. */
  readonly closed: Promise<'dismissed' | 'lost'>;
  destroy(): void;
}

export interface LinkOptions extends ServerAddress {
  readonly name: string;
  /** protocol/worker.ts: workerInstanceHeader. */
  readonly instance: string;
  /** Gets each connection that the control plane makes to the agent. */
  readonly agent: Server;
  readonly clock: AgentClock;
}

/**
 * Dials the control plane and serves it on that connection (protocol/worker.ts). Errors: the server's refusal by its code
 * (`unauthenticated`, `forbidden`, `conflict`, ...), `unavailable` when it cannot be reached.
 */
export async function openLink(options: LinkOptions): Promise<Link> {
  const { agent, clock } = options;
  const socket = await dial(options);
  const server = createServer({ settings: { initialWindowSize: windowBytes, maxConcurrentStreams: maxStreams } });
  const opened = new Promise<ServerHttp2Session>((resolve) => server.once('session', resolve));
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    // Who uses a stream learns of its errors.
    stream.on('error', () => undefined);
    if (headers[':method'] !== 'CONNECT') return stream.close();
    quiet.renew();
    stream.respond({ ':status': 200 });
    agent.emit('connection', stream);
  });
  server.emit('connection', socket);
  const session = await opened;
  const quiet = quietLimit(clock, () => session.destroy());
  let end: 'dismissed' | 'lost' = 'lost';
  session.on('error', () => undefined);
  session.on('goaway', (_code, _last, data) => {
    if (Buffer.from(data ?? []).toString() === dismissed) end = 'dismissed';
  });
  const closed = new Promise<'dismissed' | 'lost'>((resolve) => {
    session.once('close', () => {
      quiet.end();
      socket.destroy();
      resolve(end);
    });
  });
  return { closed, destroy: () => session.destroy() };
}

function quietLimit(clock: AgentClock, onQuiet: () => void): { renew(): void; end(): void } {
  const readFirst = (): void => {
    cancel = clock.after(readMs, onQuiet);
  };
  let cancel = clock.after(maxQuietMs, readFirst);
  const renew = (): void => {
    cancel();
    cancel = clock.after(maxQuietMs, readFirst);
  };
  return { renew, end: () => cancel() };
}

function dial({ url, token, name, instance }: LinkOptions): Promise<Socket> {
  const address = new URL(url + workerLinkPath);
  const request = address.protocol === 'https:' ? httpsRequest : httpRequest;
  const headers = {
    ...{ connection: 'Upgrade', upgrade: workerUpgrade, authorization: `Bearer ${token}` },
    ...{ [workerNameHeader]: name, [workerInstanceHeader]: instance, [workerProtocolHeader]: String(agentProtocol) },
  };
  return new Promise((resolve, reject) => {
    const sent = request(address, { headers, agent: false, timeout: answerLimitMs });
    sent.on('timeout', () => sent.destroy(new TidepoolError('timeout', `it does not answer`)));
    sent.on('error', (cause) => reject(unreachable(url, cause)));
    sent.on('upgrade', (_response, socket: Socket, head) => {
      // The control plane may have gone on at once.
      if (head.length > 0) socket.unshift(head);
      socket.setTimeout(0);
      socket.setKeepAlive(true, workerHealthEveryMs);
      resolve(socket);
    });
    sent.on('response', (response: IncomingMessage) => {
      const refuse = (body: string): void => reject(problemError(body, response.statusCode ?? 0));
      text(response).then(refuse, () => refuse(''));
    });
    sent.end();
  });
}
