import { createServer, type Socket } from 'node:net';

/**
 * In a guest, which cannot dial: `guest-relay.ts OUTSIDE_PORT INSIDE_PORT`. What connects to the inside port here is handed to
 * a connection that the host has made to the outside port (host-relay.ts).
 */
const [outsidePort, insidePort] = process.argv.slice(2).map(Number);
const idle: Socket[] = [];
const waiting: Socket[] = [];

createServer(take(idle)).listen(outsidePort, '0.0.0.0');
createServer(take(waiting)).listen(insidePort, '127.0.0.1');

function take(list: Socket[]): (socket: Socket) => void {
  return (socket) => {
    socket.on('error', () => undefined);
    socket.once('close', () => list.includes(socket) && list.splice(list.indexOf(socket), 1));
    list.push(socket);
    pair();
  };
}

function pair(): void {
  const [outside, inside] = [idle[0], waiting[0]];
  if (outside === undefined || inside === undefined) return;
  idle.shift();
  waiting.shift();
  // Tells the host's end to connect to the server.
  outside.write('!');
  outside.pipe(inside).pipe(outside);
  outside.once('close', () => inside.destroy());
  inside.once('close', () => outside.destroy());
}
