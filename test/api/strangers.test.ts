import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { jobSchema } from '../../src/protocol/api.ts';
import { graceMs, sweepStorage } from '../../src/storage/sweep.ts';
import { form, openTestApi } from './support.ts';

test('a database that never knew a job removes none of the files that it finds, also when it knows jobs later', async () => {
  await using api = await openTestApi({});
  const { clock } = api.web.accounts;
  const alerts: boolean[] = [];
  const storage = { ...api.web.context.storage, alert: async (isRaised: boolean) => void alerts.push(isRaised) };
  const put = async (text: string): Promise<string> =>
    (await storage.blobs.put(Readable.from([Buffer.from(text)]), 99)).id;
  const ids = async (): Promise<string[]> => {
    const found: string[] = [];
    for await (const { id } of storage.blobs.list()) found.push(id);
    return found.sort();
  };
  const strangers = [await put('one'), await put('two')].sort();
  await sweepStorage(storage);
  assert.deepEqual(alerts, [], 'they may belong to what is just being written down');
  await clock.advance(2 * graceMs);
  const nothing = { blobs: 0, bytes: 0, logs: 0 };
  assert.deepEqual(await sweepStorage(storage), nothing);
  await api.get('POST', '/jobs', jobSchema, { body: form({ script: ['x.py', 'print(1)'] }) });
  const later = await put('a stray of this database');
  await clock.advance(2 * graceMs);
  assert.equal((await sweepStorage(storage)).blobs, 1);
  const left = await ids();
  assert.ok(strangers.every((id) => left.includes(id)) && !left.includes(later));
  assert.deepEqual(alerts, [true, true]);
  for (const id of strangers) await storage.blobs.remove(id, Number.POSITIVE_INFINITY);
  await sweepStorage(storage);
  assert.equal(alerts.at(-1), false);
});
