import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import type { Config } from '../config/schema.ts';
import { TidepoolError } from '../domain/errors.ts';

/**
 * Has the server listen, and returns its address. Errors: `conflict` when the port is taken; `unavailable` when the machine does
 * not have the address, which may come a moment later, as at its boot.
 */
export async function listen(
  server: Pick<FastifyInstance, 'listen' | 'server'>,
  { host, port }: Pick<Config, 'host' | 'port'>,
): Promise<string> {
  try {
    await server.listen({ host, port });
  } catch (cause) {
    throw refusal(cause, host, port);
  }
  const { port: taken } = server.server.address() as AddressInfo;
  return `http://${host.includes(':') ? `[${host}]` : host}:${taken}`;
}

function refusal(cause: unknown, host: string, port: number): TidepoolError {
  const { code = '', message = String(cause) } = cause as NodeJS.ErrnoException;
  const where = `cannot listen on ${host}:${port}`;
  if (code === 'EADDRINUSE')
    return new TidepoolError('conflict', `${where}: it is taken; choose another by --port`, { cause });
  if (code === 'EACCES')
    return new TidepoolError('unavailable', `${where}: this user may not; choose a port from 1024 on by --port`, {
      cause,
    });
  const known: Readonly<Record<string, string>> = {
    EADDRNOTAVAIL: 'this machine does not have the address',
    ENOTFOUND: 'there is no such name',
    EAI_AGAIN: 'the name cannot be looked up now',
  };
  return new TidepoolError('unavailable', `${where}: ${known[code] ?? message}; see "host" in the configuration`, {
    cause,
  });
}
