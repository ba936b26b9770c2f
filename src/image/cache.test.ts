import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../clock/system-clock.ts';
import { publish, withCacheLock, withWorkFolder } from './cache.ts';
import { commandRunner } from './command.ts';

async function freshCache(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tidepool-cache-'));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

const noWait = (): void => assert.fail('the lock was held');

test('builders of one cache run one after the other', async (t) => {
  const cache = await freshCache(t);
  const events: string[] = [];
  const waiting = Promise.withResolvers<void>();
  const first = withCacheLock(cache, { onWait: noWait }, async () => {
    events.push('first begins');
    await waiting.promise;
    events.push('first ends');
  });
  while (events.length === 0) await new Promise(setImmediate);
  const second = withCacheLock(cache, { onWait: waiting.resolve }, async () => events.push('second'));
  await Promise.all([first, second]);
  assert.deepEqual(events, ['first begins', 'first ends', 'second']);
});

test('the lock is free again after work that failed', async (t) => {
  const cache = await freshCache(t);
  const failing = withCacheLock(cache, { onWait: noWait }, () => Promise.reject(new Error('broken')));
  await assert.rejects(failing, /broken/);
  assert.equal(await withCacheLock(cache, { onWait: noWait }, async () => 'worked'), 'worked');
});

test('a waiting builder can be called off', async (t) => {
  const cache = await freshCache(t);
  const giveUp = new AbortController();
  await withCacheLock(cache, { onWait: noWait }, async () => {
    const options = { signal: giveUp.signal, onWait: () => giveUp.abort() };
    await assert.rejects(
      withCacheLock(cache, options, async () => undefined),
      { code: 'aborted' },
    );
  });
});

test('the lock of a killed builder is free', async (t) => {
  const cache = await freshCache(t);
  const source = `
    import { withCacheLock } from ${JSON.stringify(fileURLToPath(new URL('./cache.ts', import.meta.url)))};
    await withCacheLock(process.argv[1], { onWait() {} }, () => new Promise(() => {
      console.log('held');
      setInterval(() => {}, 1000);
    }));`;
  const builder = spawn(process.execPath, ['--input-type=module', '-e', source, cache], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(builder.stdout, 'data');
  builder.kill('SIGKILL');
  await once(builder, 'close');
  // The lock goes with the builder's child a moment later, so waiting for it is allowed; waiting for ever is not.
  const options = { signal: AbortSignal.timeout(20_000), onWait: () => undefined };
  assert.equal(await withCacheLock(cache, options, async () => 'taken over'), 'taken over');
});

test('work folders are swept: a dead builder leaves nothing, nor does a failed one', async (t) => {
  const cache = await freshCache(t);
  const run = commandRunner(systemClock);
  await mkdir(join(cache, 'building', 'work-dead'), { recursive: true });
  await writeFile(join(cache, 'building', 'work-dead', 'disk.raw'), 'half');
  const seen: string[] = [];
  const failing = withWorkFolder(cache, run, async ({ work, scratch }) => {
    assert.deepEqual(await readdir(join(cache, 'building')), [work.slice(work.lastIndexOf('/') + 1)]);
    assert.equal((await stat(scratch)).mode & 0o777, 0o711);
    await writeFile(join(work, 'half'), '');
    await writeFile(join(scratch, 'half'), '');
    seen.push(work, scratch);
    throw new Error('broken');
  });
  await assert.rejects(failing, /broken/);
  assert.equal(seen.length, 2);
  for (const path of seen) await assert.rejects(access(path));
});

test('publishing gives a whole folder its name', async (t) => {
  const cache = await freshCache(t);
  await mkdir(join(cache, 'work', 'sub'), { recursive: true });
  await writeFile(join(cache, 'work', 'sub', 'file'), 'content');
  // A power cut has left an earlier one that is not whole.
  await mkdir(join(cache, 'images', 'abc', 'torn'), { recursive: true });
  await publish(join(cache, 'work'), join(cache, 'images', 'abc'));
  assert.equal(await readFile(join(cache, 'images', 'abc', 'sub', 'file'), 'utf8'), 'content');
  await assert.rejects(access(join(cache, 'work')));
});
