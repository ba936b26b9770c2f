import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { maxStoreLineBytes } from '../../protocol/agent-service.ts';
import { LineReader } from '../../protocol/lines.ts';
import { Wakeup } from '../wakeup.ts';
import { parseAsk } from './store-message.ts';
import type { StoreRelay } from './store-relay.ts';

const maxConnections = 256;
/** More of one connection are not read before some of them are answered. */
const maxInFlight = 1_024;

/** Where a container's connections to the store arrive. */
export interface StoreSocket {
  close(): Promise<void>;
}

/** Listens on a Unix socket that everybody who can reach its folder may use. */
export async function openStoreSocket(path: string, relay: StoreRelay): Promise<StoreSocket> {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    // Garbage, or a connection that broke: it ends, and the others go on.
    serve(socket, relay).catch(() => socket.destroy());
  });
  server.maxConnections = maxConnections;
  server.listen({ path, readableAll: true, writableAll: true });
  await once(server, 'listening');
  const close = async (): Promise<void> => {
    for (const socket of open) socket.destroy();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  };
  return { close };
}

async function serve(socket: Socket, relay: StoreRelay): Promise<void> {
  const closed = new AbortController();
  const wakeup = new Wakeup();
  socket.once('close', () => closed.abort());
  socket.on('drain', () => wakeup.notify());
  let inFlight = 0;
  const answer = async (line: string): Promise<void> => {
    const { id, ask } = parseAsk(line);
    const reply = 'op' in ask ? await relay.ask(ask) : ask;
    if (!socket.destroyed) socket.write(`${JSON.stringify({ id, ...reply })}\n`);
  };
  const lines = new LineReader(maxStoreLineBytes);
  for await (const chunk of socket) {
    for (const line of lines.push(chunk)) {
      inFlight += 1;
      answer(line)
        .catch(() => socket.destroy())
        .finally(() => {
          inFlight -= 1;
          wakeup.notify();
        });
    }
    while ((inFlight > maxInFlight || socket.writableNeedDrain) && !closed.signal.aborted)
      await wakeup.wait(closed.signal);
  }
}
