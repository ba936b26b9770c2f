import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { lastBytes, parseStatus, readStatus } from './status-file.ts';

const folder = await mkdtemp(join(tmpdir(), 'tidepool-status-'));
after(() => rm(folder, { recursive: true }));

const status = {
  state: 'serving',
  message: 'm',
  traceback: 't',
  restarts: 1,
  inFlight: 2,
  requests: 3,
  errors: 4,
} as const;

test('a status is read as it is', async () => {
  const path = join(folder, 'good');
  await writeFile(path, JSON.stringify(status));
  assert.deepEqual(await readStatus(path), status);
});

test('what is no file, no JSON or too long is no status', async () => {
  const secret = join(folder, 'secret');
  await writeFile(secret, JSON.stringify(status));
  await symlink(secret, join(folder, 'link'));
  await mkdir(join(folder, 'folder'));
  execFileSync('mkfifo', [join(folder, 'pipe')]);
  await writeFile(join(folder, 'text'), 'no JSON');
  await writeFile(join(folder, 'endless'), '{');
  await truncate(join(folder, 'endless'), 1024 ** 4);
  for (const name of ['missing', 'link', 'folder', 'pipe', 'text', 'endless'])
    assert.equal(await readStatus(join(folder, name)), undefined, name);
});

test('values that are not as they should be are left out, and texts are cut', () => {
  const odd = { ...status, message: 7, restarts: -1, inFlight: 1e99, requests: '3', errors: null };
  const seen = parseStatus(JSON.stringify({ ...odd, traceback: 'x'.repeat(100_000) }));
  assert.deepEqual({ ...seen, traceback: '' }, { state: 'serving', message: '', traceback: '', ...zeros });
  assert.ok(Buffer.byteLength(seen?.traceback ?? '') <= 16 * 1024);
  for (const state of ['', 'flying', null, 1])
    assert.equal(parseStatus(JSON.stringify({ ...status, state })), undefined);
});

const zeros = { restarts: 0, inFlight: 0, requests: 0, errors: 0 };

test('the end of a text is never longer than asked for, and is its end', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), fc.integer({ min: 20, max: 100 }), (text, max) => {
      const end = lastBytes(text, max);
      assert.ok(Buffer.byteLength(end) <= max);
      assert.ok(text.endsWith(end));
    }),
  );
});
