import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fastify } from 'fastify';
import { listen } from './listen.ts';

test('an address that is not there is not a port that is taken: a later start may find it', async () => {
  const first = fastify();
  const url = await listen(first, { host: '127.0.0.1', port: 0 });
  const port = Number(new URL(url).port);
  const refused = async (host: string, wanted: number, code: string, message: RegExp): Promise<void> => {
    const server = fastify();
    await assert.rejects(listen(server, { host, port: wanted }), { code, message });
    await server.close();
  };
  try {
    await refused('127.0.0.1', port, 'conflict', /it is taken; choose another by --port$/);
    // TEST-NET-1 (RFC 5737): no machine has it.
    await refused('192.0.2.1', 0, 'unavailable', /does not have the address; see "host" in the configuration$/);
    const unknown = Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' });
    const nameless = { server: first.server, listen: () => Promise.reject(unknown) } as unknown as typeof first;
    await assert.rejects(listen(nameless, { host: 'no-such-name', port: 0 }), {
      code: 'unavailable',
      message: /there is no such name; see "host" in the configuration$/,
    });
  } finally {
    await first.close();
  }
});
