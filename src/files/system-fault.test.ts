import assert from 'node:assert/strict';
import { cp, mkdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { TidepoolError } from '../domain/errors.ts';
import { systemFault } from './system-fault.ts';

const thrownBy = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => undefined,
    (error: unknown) => error,
  );

test('an error of the operating system names the call, the path and the reason, and is no mistake of ours', async () => {
  const file = import.meta.filename;
  const error = systemFault(await thrownBy(mkdir(file)));
  assert.ok(error instanceof TidepoolError);
  assert.equal(error.code, 'unavailable');
  assert.equal(error.message, `mkdir of ${file} failed: file already exists (EEXIST)`);
  const other = systemFault(await thrownBy(readFile('/no-such-file')));
  assert.equal((other as Error).message, 'open of /no-such-file failed: no such file or directory (ENOENT)');
});

test('a full disk is exhausted', () => {
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC', syscall: 'write' });
  const error = systemFault(full);
  assert.ok(error instanceof TidepoolError && error.code === 'exhausted' && error.details.isDiskFull === true);
});

test('mistakes, and errors that have a code of ours, stay as they are', () => {
  const mistake = new TypeError('undefined is not a function');
  assert.equal(systemFault(mistake), mistake);
  const ours = new TidepoolError('conflict', 'no');
  assert.equal(systemFault(ours), ours);
  assert.equal(systemFault('text'), 'text');
});

test('an error that Node makes of one of the system is one of the system too', async () => {
  const folder = import.meta.dirname;
  const copied = systemFault(await thrownBy(cp(folder, join(tmpdir(), 'never-made'))));
  assert.ok(copied instanceof TidepoolError, String(copied));
  assert.equal(copied.code, 'unavailable');
  assert.match(copied.message, new RegExp(`^cp of ${folder} failed: .*\\(EISDIR\\)$`));
  const failed = Object.assign(new Error('connect EMFILE'), { code: 'EMFILE', syscall: 'connect' });
  const fetched = systemFault(new TypeError('fetch failed', { cause: failed }));
  assert.ok(fetched instanceof TidepoolError && fetched.code === 'unavailable', String(fetched));
  const info = { code: 'ENOSPC', syscall: 'mkdir', path: '/full', message: 'no space left on device' };
  const full = systemFault(Object.assign(new Error('no room'), { code: 'ERR_FS_CP_EINVAL', info }));
  assert.ok(full instanceof TidepoolError && full.code === 'exhausted', String(full));
});
