import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { maxStoreLineBytes } from '../../protocol/agent-service.ts';
import { LineReader, withBuffered } from '../../protocol/lines.ts';
import { type AgentClock, sleep } from '../clock.ts';
import { Wakeup } from '../wakeup.ts';
import { parseAsk } from './store-message.ts';
import type { StoreRelay } from './store-relay.ts';

/** A handler has one in each of its processes. */
const maxConnections = 64;
/** More of one connection are not read before some are answered; a flood of large answers keeps the agent busy for long. */
const maxInFlight = 128;
/**
 * All connections together: a flood comes as thousands of requests in one chunk, each of which takes an emulated CPU a tenth
 * of a millisecond or more, and the agent has others to answer.
 */
const maxAtOnce = 256;
/** So long a busy connection is not read, so that more comes together: a request by itself costs 13 times as much. */
const gatherMs = 3;
/** Of answers that wait, on all connections, for containers to read them; who makes it more is cut off. */
const maxUnreadBytes = 16 * 1024 * 1024;

/** Where a container's connections to the store arrive: a Unix socket that everybody who can reach its folder may use. */
export class StoreSocket {
  readonly #relay: StoreRelay;
  readonly #clock: AgentClock;
  readonly #open = new Set<Socket>();
  readonly #server = createServer((socket) => this.#accept(socket));
  #unreadBytes = 0;

  private constructor(relay: StoreRelay, clock: AgentClock) {
    this.#relay = relay;
    this.#clock = clock;
    this.#server.maxConnections = maxConnections;
  }

  static async open(path: string, relay: StoreRelay, clock: AgentClock): Promise<StoreSocket> {
    const opened = new StoreSocket(relay, clock);
    opened.#server.listen({ path, readableAll: true, writableAll: true });
    await once(opened.#server, 'listening');
    // A connection that could not be taken is its caller's trouble.
    opened.#server.on('error', () => undefined);
    return opened;
  }

  /** Ends all connections. */
  async close(): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #accept(socket: Socket): void {
    this.#open.add(socket);
    socket.once('close', () => this.#open.delete(socket));
    // Garbage, or a connection that broke: it ends, and the others go on.
    this.#serve(socket).catch(() => socket.destroy());
  }

  async #serve(socket: Socket): Promise<void> {
    const closed = new AbortController();
    const wakeup = new Wakeup();
    socket.once('close', () => closed.abort());
    socket.on('drain', () => wakeup.notify());
    let inFlight = 0;
    const lines = new LineReader(maxStoreLineBytes);
    const take = (line: string): void => {
      inFlight += 1;
      this.#answer(socket, line)
        .catch(() => socket.destroy())
        .finally(() => {
          inFlight -= 1;
          wakeup.notify();
        });
    };
    const isBehind = (): boolean => inFlight > maxInFlight || socket.writableNeedDrain;
    for await (const chunk of socket) {
      const requests = lines.push(withBuffered(chunk, socket));
      while (requests.length > 0 && !closed.signal.aborted) {
        for (const line of requests.splice(0, Math.ceil(maxAtOnce / this.#open.size))) take(line);
        // Others wait already, so this connection is a busy one: what comes in a moment then goes together.
        if (inFlight > 1) await sleep(this.#clock, gatherMs, closed.signal);
        while (isBehind() && !closed.signal.aborted) await wakeup.wait(closed.signal);
      }
    }
  }

  /** Rejects when the line is no request. */
  async #answer(socket: Socket, line: string): Promise<void> {
    const { id, ask } = parseAsk(line);
    const reply = 'op' in ask ? await this.#relay.ask(ask) : ask;
    if (socket.destroyed) return;
    const text = `${JSON.stringify({ id, ...reply })}\n`;
    this.#unreadBytes += text.length;
    if (this.#unreadBytes > maxUnreadBytes) socket.destroy();
    socket.write(text, () => {
      this.#unreadBytes -= text.length;
    });
  }
}
