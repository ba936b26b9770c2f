import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasCode } from '../domain/errors.ts';
import { announceServer, findLocalUrl } from './connection.ts';

async function withNotes(body: (notes: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'tidepool-notes-'));
  const before = process.env.XDG_STATE_HOME;
  process.env.XDG_STATE_HOME = folder;
  try {
    const notes = join(folder, 'tidepool', 'servers');
    await mkdir(notes, { recursive: true });
    await body(notes);
  } finally {
    if (before === undefined) delete process.env.XDG_STATE_HOME;
    else process.env.XDG_STATE_HOME = before;
    await rm(folder, { recursive: true });
  }
}

const isUnavailable = (error: unknown): boolean => hasCode(error, 'unavailable');

test('notes of servers: a damaged one counts for nothing, and goes', () =>
  withNotes(async (notes) => {
    for (const [name, text] of [
      ['empty.json', ''],
      ['cut.json', '{"url":"http'],
      ['strange.json', `{"pid":${process.pid}}`],
      ['999999999.json.draft.part', '{}'],
    ] as const) {
      await writeFile(join(notes, name), text);
    }
    await assert.rejects(findLocalUrl('/data'), isUnavailable);
    const leave = await announceServer({ url: 'http://127.0.0.1:1', dataDir: '/data' });
    assert.equal(await findLocalUrl('/data'), 'http://127.0.0.1:1');
    assert.deepEqual(await readdir(notes), [`${process.pid}.json`]);
    await leave();
    assert.deepEqual(await readdir(notes), []);
  }));

test('the note of a killed server whose number another process has by now counts for nothing, and goes', () =>
  withNotes(async (notes) => {
    const leave = await announceServer({ url: 'http://127.0.0.1:1', dataDir: '/data' });
    const own = join(notes, `${process.pid}.json`);
    const note = JSON.parse(await readFile(own, 'utf8'));
    await leave();
    const stale = join(notes, 'stale.json');
    for (const change of [
      { startTicks: '1' },
      { bootId: 'that of another boot' },
      // Of a version that noted no start: what has its number is no server.
      { startTicks: undefined, bootId: undefined },
    ]) {
      await writeFile(stale, JSON.stringify({ ...note, ...change }));
      await assert.rejects(findLocalUrl('/data'), isUnavailable, JSON.stringify(change));
      await (await announceServer({ url: 'http://127.0.0.1:1', dataDir: '/other' }))();
      assert.deepEqual(await readdir(notes), [], JSON.stringify(change));
    }
    await writeFile(stale, JSON.stringify(note));
    assert.equal(await findLocalUrl('/data'), 'http://127.0.0.1:1', 'as it was written it counts');
  }));

test('a data folder that the environment names is the one that is meant, also when only another server runs', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tidepool-named-'));
  const before = { ...process.env };
  Object.assign(process.env, { XDG_STATE_HOME: folder, TIDEPOOL_DATA_DIR: '/data/named' });
  try {
    const leave = await announceServer({ url: 'http://127.0.0.1:1', dataDir: '/data/other' });
    await assert.rejects(findLocalUrl(undefined), {
      code: 'unavailable',
      message: /no server runs on .*\/data\/named/,
    });
    process.env.TIDEPOOL_DATA_DIR = '/data/other';
    assert.equal(await findLocalUrl(undefined), 'http://127.0.0.1:1');
    process.env.TIDEPOOL_DATA_DIR = '';
    assert.equal(await findLocalUrl(undefined), 'http://127.0.0.1:1');
    await leave();
  } finally {
    for (const name of ['XDG_STATE_HOME', 'TIDEPOOL_DATA_DIR']) {
      if (before[name] === undefined) delete process.env[name];
      else process.env[name] = before[name];
    }
    await rm(folder, { recursive: true });
  }
});
