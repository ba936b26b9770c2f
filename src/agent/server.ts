import { createHash, timingSafeEqual } from 'node:crypto';
import type { RequestListener } from 'node:http';
import { createServer, type Server } from 'node:https';
import { agentTlsCiphers } from '../protocol/agent.ts';

/** Each running attempt holds one, its output; a health check and a removal need one each. */
const maxConnections = 512;
const maxHeaderBytes = 16 * 1024;
const handshakeTimeoutMs = 15_000;
const headersTimeoutMs = 15_000;
/** Longer than the control plane keeps an idle connection, so that it is never the agent that closes one in use. */
const keepAliveTimeoutMs = 10 * 60_000;

/**
 * The HTTPS server with a pre-shared key in place of certificates: who does not know the key cannot finish the
 * handshake, and neither can an impostor of this agent.
 */
export function createAgentServer(secrets: { key: Buffer; keyId: string }, listener: RequestListener): Server {
  const server = createServer(
    {
      ciphers: agentTlsCiphers,
      // The callback of Node's pre-shared keys is for TLS 1.2.
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.2',
      pskCallback: (_socket, identity) => (isSame(identity, secrets.keyId) ? secrets.key : null),
      handshakeTimeout: handshakeTimeoutMs,
      maxHeaderSize: maxHeaderBytes,
    },
    listener,
  );
  server.maxConnections = maxConnections;
  server.headersTimeout = headersTimeoutMs;
  // An upload takes as long as it takes; the peer is known by then.
  server.requestTimeout = 0;
  server.keepAliveTimeout = keepAliveTimeoutMs;
  return server;
}

/** Takes the same time wherever the texts differ. */
function isSame(a: string, b: string): boolean {
  const hash = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(a), hash(b));
}
