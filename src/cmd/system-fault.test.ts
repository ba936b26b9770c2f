import assert from 'node:assert/strict';
import { mkdir, readFile } from 'node:fs/promises';
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
