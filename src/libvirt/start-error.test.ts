import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../domain/errors.ts';
import { fromLibvirt, libvirtCode } from './errors.ts';
import { startError } from './start-error.ts';

function codeFor(code: number, message: string): string {
  const nothing = { dom: null, str1: null, str2: null, str3: null, int1: 0, int2: 0, net: null };
  const error = startError('w-0001', fromLibvirt('Something', { code, domain: 10, message, level: 2, ...nothing }));
  return hasCode(error, 'conflict') ? 'conflict' : ((error as { code?: string }).code ?? '');
}

test('only a domain of that name is a conflict of names', () => {
  const exists = "domain 'w-0001' already exists with uuid 6e4bd2b3-6a3c-4cb3-9d0e-1a6ad5ed3f1c";
  assert.equal(codeFor(libvirtCode.operationFailed, exists), 'conflict');
  assert.equal(codeFor(libvirtCode.domainExists, 'x'), 'conflict');
  const others: readonly (readonly [number, string])[] = [
    [libvirtCode.operationInvalid, "storage pool 'tidepool-1' is not active"],
    [libvirtCode.operationFailed, "pool 'tidepool-1' already exists with uuid 6e4bd2b3-6a3c-4cb3-9d0e-1a6ad5ed3f1c"],
    [libvirtCode.resourceBusy, 'device is busy'],
    [libvirtCode.volumeExists, "storage volume name 'w-0001.qcow2' already exists"],
    [libvirtCode.system, "cannot create path '/x/w-0001.qcow2': File exists"],
    [libvirtCode.operationInvalid, 'domain is already being started'],
  ];
  for (const [code, message] of others) assert.notEqual(codeFor(code, message), 'conflict', message);
});

test('words of QEMU and of the C library tell the rest', () => {
  assert.equal(codeFor(libvirtCode.internal, 'qemu: cannot set up guest memory: Cannot allocate memory'), 'exhausted');
  assert.equal(codeFor(libvirtCode.system, 'cannot write: No space left on device'), 'exhausted');
  assert.equal(codeFor(libvirtCode.internal, "qemu: Could not open '/x': Permission denied"), 'invalid');
  assert.equal(codeFor(libvirtCode.internal, 'something else'), 'upstream');
  assert.equal(codeFor(libvirtCode.noMemory, 'out of it'), 'exhausted');
});
