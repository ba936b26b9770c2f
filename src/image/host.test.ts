import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../domain/errors.ts';
import { parseOsRelease } from './host.ts';
import { contentId, guestPackages } from './recipe.ts';

test('the distribution is read from os-release, also of a derivative', () => {
  assert.deepEqual(parseOsRelease('ID=debian\nVERSION_CODENAME=trixie\n'), { id: 'debian', codename: 'trixie' });
  assert.deepEqual(parseOsRelease('NAME="Ubuntu"\nID=ubuntu\nVERSION_CODENAME=noble\nUBUNTU_CODENAME=noble\n'), {
    id: 'ubuntu',
    codename: 'noble',
  });
  const mint = 'ID=linuxmint\nID_LIKE="ubuntu debian"\nVERSION_CODENAME=virginia\nUBUNTU_CODENAME=jammy\n';
  assert.deepEqual(parseOsRelease(mint), { id: 'ubuntu', codename: 'jammy' });
});

test('another system is refused with its name', () => {
  assert.throws(
    () => parseOsRelease('ID=fedora\nVERSION_ID=40\n'),
    (error) => hasCode(error, 'invalid') && error.message.includes('fedora'),
  );
});

test('each distribution has its kernel for virtual machines', () => {
  const kernel = (id: 'debian' | 'ubuntu', architecture: 'x86_64' | 'aarch64') =>
    guestPackages({ id, codename: 'x' }, architecture).filter((name) => name.startsWith('linux-image'));
  assert.deepEqual(kernel('debian', 'x86_64'), ['linux-image-cloud-amd64']);
  assert.deepEqual(kernel('debian', 'aarch64'), ['linux-image-cloud-arm64']);
  assert.deepEqual(kernel('ubuntu', 'x86_64'), ['linux-image-virtual']);
});

test('a content address depends on every part and on nothing else', () => {
  const recipe = { packages: ['a', 'b'], files: [{ path: 'x', content: '1' }] };
  assert.match(contentId(recipe), /^[0-9a-f]{16}$/);
  assert.equal(contentId(recipe), contentId(structuredClone(recipe)));
  assert.notEqual(contentId(recipe), contentId({ ...recipe, packages: ['a'] }));
});
