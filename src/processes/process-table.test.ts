import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { isAlive, listProcesses, processesWith, readProcess } from './process-table.ts';
import { machineOf } from './qemu.ts';

test('a process is listed with its command line while it lives, and not after its end', async () => {
  const child = spawn(process.execPath, ['-e', 'process.stdin.resume()', 'a mark of this test'], { stdio: 'pipe' });
  const ended = once(child, 'exit');
  await once(child, 'spawn');
  const found = (await listProcesses()).find(({ pid }) => pid === child.pid);
  assert.ok(found);
  assert.deepEqual(found.words.slice(-1), ['a mark of this test']);
  assert.equal(await isAlive(found), true);

  assert.deepEqual(await processesWith('a mark of this test'), [found]);
  assert.deepEqual(await processesWith('a mark'), []);

  child.kill('SIGKILL');
  await ended;
  assert.equal(await readProcess(found.pid), undefined);
  assert.equal(await isAlive(found), false);
});

test('a process that got the number of another one is not that one', async () => {
  const own = await readProcess(process.pid);
  assert.ok(own);
  const earlier = { ...own, startTicks: String(Number(own.startTicks) - 1) };
  assert.equal(await isAlive(earlier), false);
});

test('the machine of a QEMU is read from its name, which may be the start of another one', () => {
  const process_ = (...words: string[]) => ({ pid: 1, startTicks: '1', words });
  assert.equal(machineOf(process_('qemu-system-x86_64', '-name', 'guest=a-0001,debug-threads=on')), 'a-0001');
  assert.equal(machineOf(process_('grep', 'guest=a-0001,')), undefined);
  assert.equal(machineOf(process_('qemu-img', 'create')), undefined);
});
