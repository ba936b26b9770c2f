import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { listedLibraries } from './disk.ts';
import { readGuestFiles, readGuestSource } from './guest-files.ts';

const finish = readFileSync(new URL('./runtime/finish.sh', import.meta.url), 'utf8');

test('every script of the guest is one that a shell can read', async () => {
  const scripts = (await readGuestFiles()).filter(({ content }) => content.startsWith('#!'));
  assert.ok(scripts.length >= 4);
  for (const { content } of scripts) execFileSync('sh', ['-n'], { input: content });
  for (const name of ['initrd-init', 'probe-init']) execFileSync('sh', ['-n'], { input: await readGuestSource(name) });
  execFileSync('sh', ['-n'], { input: finish });
});

test('finishing a runtime never removes what keeps apt away from the host', () => {
  const removals = finish.split('\n').filter((line) => /^\s*rm\b|-delete|-exec rm/.test(line));
  assert.ok(removals.length >= 4);
  for (const line of removals) assert.doesNotMatch(line, /(^|\s)(\.\/)?(tmp|etc|etc\/apt|\*)(\/\*?)?(\s|$)/, line);
  assert.doesNotMatch(finish, /00mmdebstrap['"]?\s*$/m);
});

test('finishing a runtime fails when apt would be left without its configuration', () => {
  const guard = finish.slice(finish.indexOf('if [ -n "${MMDEBSTRAP_APT_CONFIG'));
  const exitCode = (configuration: string): number | null => {
    try {
      execFileSync('sh', ['-c', guard], { env: { MMDEBSTRAP_APT_CONFIG: configuration }, stdio: 'ignore' });
      return 0;
    } catch (error) {
      return error instanceof Error && 'status' in error ? Number(error.status) : null;
    }
  };
  assert.equal(exitCode('/no/such/file'), 1);
  assert.equal(exitCode('/etc/os-release'), 0);
});

test('libraries are taken from the packages, and one from elsewhere is refused', () => {
  const list = `\tlinux-vdso.so.1 (0x00007ffc)
\tlibc.so.6 => /p/usr/lib/x86_64-linux-gnu/libc.so.6 (0x00007f21)
\t/lib64/ld-linux-x86-64.so.2 => /p/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 (0x00007f22)
`;
  assert.deepEqual(listedLibraries(list, '/p/usr/lib/x86_64-linux-gnu', 'crun'), ['libc.so.6', 'ld-linux-x86-64.so.2']);
  const host = '\tlibyajl.so.2 => /usr/lib/x86_64-linux-gnu/libyajl.so.2 (0x00007f21)\n';
  assert.throws(() => listedLibraries(host, '/p/usr/lib/x86_64-linux-gnu', 'crun'), /libyajl/);
  const missing = '\tlibyajl.so.2 => not found\n';
  assert.throws(() => listedLibraries(missing, '/p/usr/lib/x86_64-linux-gnu', 'crun'), /libyajl/);
});
