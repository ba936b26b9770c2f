import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { TidepoolError } from '../domain/errors.ts';
import { followJob } from './follow.ts';
import type { JobClient } from './job-client.ts';

/** A log as the server sends it: events of `id`, `event` and JSON. */
function events(...all: readonly (readonly [id: string, event: string, data: unknown])[]): ReadableStream<Uint8Array> {
  const text = all.map(([id, event, data]) => `id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`).join('');
  return ReadableStream.from([Buffer.from(text)]);
}
const output = (text: string) => ({ stream: 'stdout', atMs: 1, base64: Buffer.from(text).toString('base64') });

/** Follows a job whose log is asked for once for each of these answers. */
async function followed(...answers: (() => ReadableStream<Uint8Array>)[]): Promise<{ out: string; notices: string }> {
  const seen = { out: '', notices: '' };
  const into = (name: 'out' | 'notices'): Writable =>
    new Writable({
      write(chunk, _encoding, done) {
        seen[name] += String(chunk);
        done();
      },
    });
  const client = { logs: async () => (answers.shift() ?? assert.fail('asked too often'))() } as unknown as JobClient;
  const sinks = { stdout: into('out'), stderr: into('notices') };
  await followJob(client, 'job', sinks, async () => undefined).catch((error: TidepoolError) => {
    seen.notices += `ended: ${error.code}\n`;
  });
  return seen;
}
const silent = (): never => {
  throw new TidepoolError('unavailable', 'no server answers');
};
const refused = (): never => {
  throw new TidepoolError('not_found', 'no such job');
};

test('a server that is away, and back again, is noticed once each', async () => {
  const { out, notices } = await followed(
    () => events(['1:0', 'output', output('a')]),
    silent,
    silent,
    () => events(['1:1', 'output', output('b')]),
    refused,
  );
  assert.equal(out, 'ab');
  assert.deepEqual(notices.split('\n'), [
    'tidepool: the server does not answer; trying again for 60 s',
    'tidepool: the server answers again',
    'ended: not_found',
    '',
  ]);
});

test('another attempt says that what follows is from the beginning', async () => {
  const log = () => events(['1:0', 'output', output('0 1')], ['2:0', 'output', output('0 1 2')]);
  const { out, notices } = await followed(log, refused);
  assert.equal(out, '0 10 1 2');
  assert.match(notices, /^tidepool: attempt 1 could not go on; what follows is of attempt 2, from the beginning$/m);
});
