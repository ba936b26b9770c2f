import { type AddressInfo, createServer } from 'node:net';

/** Answers whatever comes on a connection, and does as little as possible else, so that a client is what is measured. */
const body = '{"input":27,"result":196418,"server":"fibonacci-0000"}';
const answer = Buffer.from(
  [
    'HTTP/1.1 200 OK',
    'Content-Type: application/json',
    'X-Tidepool-Server: fibonacci-0000',
    'Date: Sat, 21 Nov 2026 12:00:00 GMT',
    `Content-Length: ${Buffer.byteLength(body)}`,
    '',
    body,
  ].join('\r\n'),
);

const server = createServer({ noDelay: true }, (socket) => {
  socket.on('data', () => socket.write(answer));
  socket.on('error', () => socket.destroy());
});
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
