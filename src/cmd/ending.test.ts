import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { test } from 'node:test';
import { TidepoolError } from '../domain/errors.ts';
import { FakeClock } from '../fake/clock.ts';
import { Ending } from './ending.ts';

test('a part that fails, or never ends, keeps no other from ending; each trouble is named', async () => {
  const clock = new FakeClock();
  const log: string[] = [];
  const ended: string[] = [];
  const ending = new Ending(clock, (line) => log.push(line));
  assert.equal(ending.exitCode, 0);
  const parts = new AsyncDisposableStack();
  parts.defer(() => void ended.push('database'));
  parts.defer(() => Promise.reject(new TidepoolError('unavailable', 'libvirt is gone')));
  parts.defer(() => Promise.reject(new TidepoolError('conflict', 'HTTP')));
  assert.equal(await ending.part('the front door', 1_000, () => rm(import.meta.dirname)), false);
  const stuck = ending.part('the VMs', 60_000, () => new Promise(() => undefined));
  await clock.advance(60_000);
  assert.equal(await stuck, false);
  assert.equal(await ending.part('the rest', 1_000, () => parts.disposeAsync()), false);
  assert.equal(await ending.part('a part', 1_000, async () => ended.push('a part')), true);
  assert.deepEqual(ended, ['database', 'a part']);
  assert.match(log[0] ?? '', /^ending the front door: rm of .* failed: .*\(EISDIR\)$/);
  assert.deepEqual(log.slice(1), [
    'ending the VMs: not done within 60 s; what is left of it is given up',
    'ending the rest: HTTP',
    'ending the rest: libvirt is gone',
  ]);
  assert.equal(ending.exitCode, 69, 'that of the first trouble');
});
