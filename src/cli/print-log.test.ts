import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { hasCode } from '../domain/errors.ts';
import { printLog } from './follow.ts';
import type { JobClient } from './job-client.ts';

test('of a damaged log what is readable is printed, then the notice, and the command fails', async () => {
  const event = (stream: string, content: string): string =>
    `event: output\ndata: ${JSON.stringify({ stream, atMs: 1, base64: Buffer.from(content).toString('base64') })}\n\n`;
  const answer = [event('stdout', 'one'), event('notice', 'damaged from byte 14 on\n'), 'event: damaged\ndata: {}\n\n'];
  const client = { logs: async () => new Blob(answer).stream() } as unknown as JobClient;
  const sinks = { stdout: new PassThrough(), stderr: new PassThrough() };
  await assert.rejects(printLog(client, 'job', sinks), (error) => hasCode(error, 'upstream'));
  sinks.stdout.end();
  sinks.stderr.end();
  assert.deepEqual([await text(sinks.stdout), await text(sinks.stderr)], ['one', 'damaged from byte 14 on\n']);
});
