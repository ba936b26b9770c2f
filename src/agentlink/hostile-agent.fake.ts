import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AgentAddress } from '../domain/agent-link.ts';
import { agentTlsCiphers } from '../protocol/agent.ts';

/** An agent for tests that knows its key and answers what it is told to. */
export interface HostileAgent {
  readonly server: Server;
  readonly address: AgentAddress;
  answer: RequestListener;
  close(): void;
}

/** Starts one on the loopback interface. */
export async function startHostileAgent(): Promise<HostileAgent> {
  const key = Buffer.alloc(32, 1);
  const server = createServer(
    { ciphers: agentTlsCiphers, maxVersion: 'TLSv1.2', pskCallback: () => key },
    (request, response) => agent.answer(request, response),
  );
  // As the agent has it: longer than its callers keep a connection, so that none is closed while a request is on its way.
  server.keepAliveTimeout = 120_000;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const agent: HostileAgent = {
    server,
    address: { host: '127.0.0.1', port, keyId: 'key', key },
    answer: (_request, response) => void response.end(),
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
  return agent;
}

/** An answer with this body: a text as it is, anything else as JSON. */
export function says(body: unknown, status = 200): RequestListener {
  return (request, response) => {
    request.resume();
    response.writeHead(status).end(typeof body === 'string' ? body : JSON.stringify(body));
  };
}
