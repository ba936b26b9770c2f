import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';

const host = '127.0.0.1';
/** Below those that Linux gives to outgoing connections: one of these could take the port before its server does. */
const lowestPort = 10_000;
const highestPort = 32_000;
const attempts = 100;
const given = new Set<number>();

/** A port of 127.0.0.1 that nobody listens on, by TCP or by UDP. None is given twice. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    const port = randomInt(lowestPort, highestPort);
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
  throw new Error(`no free port of ${host} after ${attempts} tries`);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const socket = createSocket('udp4');
  try {
    await Promise.all([once(server.listen(port, host), 'listening'), once(socket.bind(port, host), 'listening')]);
    return true;
  } catch {
    return false;
  } finally {
    await Promise.all([
      server.listening && once(server.close(), 'close'),
      new Promise<void>((resolve) => socket.close(resolve)),
    ]);
  }
}
