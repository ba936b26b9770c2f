import { connect, type Socket } from 'node:net';
import type { Endpoint } from '../../src/domain/hypervisor.ts';

const idleConnections = 4;
const retryMs = 200;

/** The host's end of guest-relay.ts: keeps connections to the guest, each for one of the guest's to our port. */
export function relayFor(guest: Endpoint, port: number): { close(): void } {
  const sockets = new Set<Socket>();
  let isClosed = false;
  const keep = (socket: Socket): Socket => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    return socket.once('close', () => sockets.delete(socket));
  };
  const offer = (): void => {
    if (isClosed) return;
    const outside = keep(connect(guest.port, guest.host));
    let isUsed = false;
    outside.once('data', (first: Buffer) => {
      isUsed = true;
      offer();
      const inside = keep(connect(port, '127.0.0.1'));
      if (first.length > 1) inside.write(first.subarray(1));
      outside.pipe(inside).pipe(outside);
      outside.once('close', () => inside.destroy());
      inside.once('close', () => outside.destroy());
    });
    // Until the guest listens, connections end at once.
    outside.once('close', () => isUsed || setTimeout(offer, retryMs));
  };
  for (let i = 0; i < idleConnections; i += 1) offer();
  return {
    close() {
      isClosed = true;
      for (const socket of sockets) socket.destroy();
    },
  };
}
