import { createServer } from 'node:net';
import type { Clock } from '../domain/clock.ts';
import type { Place } from './check.ts';

/** What left a port a moment ago may hold it a little longer: a worker that a reload replaced. */
const leavingMs = 1_000;
const pollMs = 50;

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'it is taken by another program',
  EACCES: 'only root may listen on it',
  EADDRNOTAVAIL: 'this machine has no such address',
};

/**
 * Why nothing can listen there, or undefined when it can. Asked by listening: HAProxy itself would share the port with any
 * program of the same user that shares it too (SO_REUSEPORT). A port that is taken is asked for again for a second.
 */
export async function whyPortIsTaken({ host, port }: Place, clock: Clock): Promise<string | undefined> {
  for (let waitedMs = 0; ; waitedMs += pollMs) {
    const code = await tryListen(host, port);
    if (code === undefined) return undefined;
    if (code !== 'EADDRINUSE' || waitedMs >= leavingMs) return reasons[code] ?? code;
    await clock.sleep(pollMs);
  }
}

/** The code of the error, or undefined when it went well. */
function tryListen(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}
