import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { test } from 'node:test';
import { lockInstallation } from './installation-lock.ts';

test('an installation has one server on the machine, from its first moment on; the other is named', async () => {
  const id = randomUUID();
  const lock = await lockInstallation(id, { dataDir: '/data', pid: 7 });
  await assert.rejects(lockInstallation(id, { dataDir: '/copy', pid: 8 }), {
    code: 'conflict',
    message: /^\/copy is the same installation as \/data, whose server is starting \(process 7\); .*--as-new$/,
  });
  lock.announce('http://127.0.0.1:1');
  await assert.rejects(
    lockInstallation(id, { dataDir: '/copy', pid: 8 }),
    /runs at http:\/\/127\.0\.0\.1:1 \(process 7\)/,
  );
  await using another = await lockInstallation(randomUUID(), { dataDir: '/other', pid: 8 });
  assert.ok(another);
  await lock[Symbol.asyncDispose]();
  await using again = await lockInstallation(id, { dataDir: '/copy', pid: 8 });
  assert.ok(again);
});

test('of many that begin at one time one gets it', async () => {
  const id = randomUUID();
  const tries = Array.from({ length: 10 }, (_, pid) => lockInstallation(id, { dataDir: `/data-${pid}`, pid }));
  const ends = await Promise.allSettled(tries);
  const [lock, ...others] = ends.filter((end) => end.status === 'fulfilled');
  assert.ok(lock !== undefined && others.length === 0);
  await lock.value[Symbol.asyncDispose]();
});

test('it ends with a holder that is killed, and a holder that stands still holds it', async () => {
  const id = randomUUID();
  const script = `
    const { lockInstallation } = await import(${JSON.stringify(new URL('./installation-lock.ts', import.meta.url).href)});
    await lockInstallation('${id}', { dataDir: '/data', pid: process.pid });
    console.log('held');
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  child.kill('SIGSTOP');
  await assert.rejects(
    lockInstallation(id, { dataDir: '/copy', pid: 8 }),
    /a server on this machine, which does not answer/,
  );
  child.kill('SIGKILL');
  await once(child, 'close');
  await using lock = await lockInstallation(id, { dataDir: '/copy', pid: 8 });
  assert.ok(lock);
});
