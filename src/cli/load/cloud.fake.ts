import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { examplePool, exampleUsage } from '../top/cloud.fake.ts';
import type { Endpoint, ServiceFacts } from './service.ts';

/** The API of a server with one service, as far as the load client asks for it. */
export class FakeCloud {
  facts: ServiceFacts;
  endpoints: Endpoint[] = [];
  /** How often the service was stopped, and its endpoints asked for. */
  stops = 0;
  listings = 0;
  readonly #server: Server;
  readonly #followers = new Set<ServerResponse>();

  constructor(facts: ServiceFacts) {
    this.facts = facts;
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  async listen(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Tells all followers of the endpoints. */
  tell(event: string, data: unknown): void {
    for (const follower of this.#followers) follower.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  /** Breaks off all streams of events. */
  breakStreams(): void {
    for (const follower of this.#followers) follower.destroy();
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const path = (request.url ?? '').replace('/api/v1', '').replace(/\?.*/, '');
    const service = `/services/${this.facts.name}`;
    if (path === `${service}/endpoints` || path === '/events/stream') {
      this.#follow(response, path);
      return;
    }
    if (path === `${service}/stop` && request.method === 'POST') this.stops += 1;
    const pool = examplePool(this.facts.name);
    const bodies: Record<string, unknown> = {
      [service]: this.facts,
      [`${service}/stop`]: this.facts,
      '/pools': { pools: [pool], queuedJobs: 0 },
      [`/pools/${this.facts.name}`]: pool,
      '/usage': { vms: [exampleUsage(`${this.facts.name}-0000`, [0.5], { pool: this.facts.name })] },
      '/events': { events: [], nextCursor: null },
    };
    const body = bodies[path];
    const problem = { type: '', title: '', status: 404, detail: 'there is no such service', code: 'not_found' };
    response.writeHead(body === undefined ? 404 : 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body ?? { ...problem, details: {} }));
  }

  #follow(response: ServerResponse, path: string): void {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    if (path === '/events/stream') {
      response.write(': following\n\n');
      return;
    }
    this.listings += 1;
    this.#followers.add(response);
    response.on('close', () => this.#followers.delete(response));
    response.write(`event: endpoints\ndata: ${JSON.stringify(this.endpoints)}\n\n`);
  }
}
