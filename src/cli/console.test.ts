import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import type { ReadStream, WriteStream } from 'node:tty';
import { hasCode } from '../domain/errors.ts';
import { ApiClient } from './client.ts';
import { vmConsole } from './console.ts';

test('a console without a terminal is refused, before anything is connected', async () => {
  const client = new ApiClient({ url: 'http://127.0.0.1:1', token: null });
  const input = new PassThrough() as unknown as ReadStream;
  await assert.rejects(
    vmConsole(client, 'vm-0', input, new PassThrough() as unknown as WriteStream),
    (error) => hasCode(error, 'invalid') && /vm-0 needs a terminal/.test(error.message),
  );
});
