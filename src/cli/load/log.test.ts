import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasCode } from '../../domain/errors.ts';
import { Log, logFile } from './log.ts';

test('a log has the form of the old ones, appends, and leaves out what is less important', async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'tidepool-log-'));
  context.after(() => rm(folder, { recursive: true }));
  const path = join(folder, 'a.log');
  for (const level of ['info', 'error'] as const) {
    const log = new Log(await logFile(path), level);
    log.write('debug', 0, 'request 1');
    log.write('info', Date.UTC(2026, 0, 1, 12, 0, 0, 7), 'pace: low\n');
    log.write('error', 0, 'gone');
    await log.close();
  }
  assert.equal(
    await readFile(path, 'utf8'),
    '2026-01-01 12:00:00,007 INFO pace: low | \n1970-01-01 00:00:00,000 ERROR gone\n1970-01-01 00:00:00,000 ERROR gone\n',
  );
  await assert.rejects(logFile(folder), (error) => hasCode(error, 'invalid'));
});

test('lines that are not written in time are counted, not kept', async () => {
  let text = '';
  const append = async (lines: string) => {
    text += lines;
  };
  const log = new Log({ append, close: async () => undefined }, 'debug');
  for (let i = 0; i < 60_000; i += 1) log.write('debug', 0, `request ${i}`);
  await log.flush();
  assert.equal(text.split('\n').length, 50_002);
  assert.match(text, /10000 lines are left out/);
  text = '';
  await log.close();
  assert.equal(text, '');
});
