import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasCode } from '../domain/errors.ts';
import { announceServer, findLocalUrl, refuseTwin } from './connection.ts';

test('notes of servers: a damaged one counts for nothing; a second server of an installation is refused', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tidepool-notes-'));
  const before = process.env.XDG_STATE_HOME;
  process.env.XDG_STATE_HOME = folder;
  try {
    const notes = join(folder, 'tidepool', 'servers');
    await mkdir(notes, { recursive: true });
    for (const [name, text] of [
      ['empty.json', ''],
      ['cut.json', '{"url":"http'],
      ['strange.json', `{"pid":${process.pid}}`],
    ] as const) {
      await writeFile(join(notes, name), text);
    }
    await assert.rejects(findLocalUrl('/data'), (error) => hasCode(error, 'unavailable'));
    await refuseTwin('one', '/copy');
    const leave = await announceServer({ url: 'http://127.0.0.1:1', dataDir: '/data', installationId: 'one' });
    assert.equal(await findLocalUrl('/data'), 'http://127.0.0.1:1');
    await assert.rejects(refuseTwin('one', '/copy'), (error) => hasCode(error, 'conflict'));
    await refuseTwin('another', '/copy');
    await leave();
    await refuseTwin('one', '/copy');
  } finally {
    if (before === undefined) delete process.env.XDG_STATE_HOME;
    else process.env.XDG_STATE_HOME = before;
    await rm(folder, { recursive: true });
  }
});

test('a data folder that the environment names is the one that is meant, also when only another server runs', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tidepool-named-'));
  const before = { ...process.env };
  Object.assign(process.env, { XDG_STATE_HOME: folder, TIDEPOOL_DATA_DIR: '/data/named' });
  try {
    const leave = await announceServer({ url: 'http://127.0.0.1:1', dataDir: '/data/other', installationId: 'one' });
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
