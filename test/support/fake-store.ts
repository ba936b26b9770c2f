import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { StoreAnswer, StoreRequest } from '../../src/protocol/agent-service.ts';

/** The agent's end of a service's store, on a Unix socket, with its values in memory. */
export class FakeStore {
  readonly values = new Map<string, string>();
  /** What came, in its order. */
  readonly requests: StoreRequest[] = [];
  /** Answers are held back while this is set, and then sent newest first. */
  isHolding = false;
  connections = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #held: (() => void)[] = [];

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(path: string): Promise<FakeStore> {
    const server = createServer();
    const store = new FakeStore(server);
    server.on('connection', (socket) => store.#serve(socket));
    server.listen(path);
    await once(server, 'listening');
    return store;
  }

  /** Sends the answers that were held back. */
  release(): void {
    this.isHolding = false;
    for (const send of this.#held.splice(0).reverse()) send();
  }

  /** Ends all connections; new ones are taken. */
  disconnect(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.disconnect();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #serve(socket: Socket): void {
    this.connections += 1;
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket)).on('error', () => undefined);
    createInterface({ input: socket }).on('line', (line) => {
      const request: StoreRequest = JSON.parse(line);
      this.requests.push(request);
      const answer = this.#carryOut(request);
      const send = (): void => {
        socket.write(`${JSON.stringify(answer)}\n`);
      };
      if (this.isHolding) this.#held.push(send);
      else send();
    });
  }

  #carryOut(request: StoreRequest): StoreAnswer {
    const { id, op, key } = request;
    if (key === 'refused') return { id, value: null, error: 'the store is full' };
    if (op === 'put' || (op === 'add' && !this.values.has(key))) this.values.set(key, request.value);
    if (op === 'delete') this.values.delete(key);
    return { id, value: this.values.get(key) ?? null, error: '' };
  }
}
