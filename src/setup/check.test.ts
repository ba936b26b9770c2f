import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkSystem } from './check.ts';
import { fakeHost } from './host.fake.ts';
import { distributionOf, findCommand, type Host, thisHost } from './host.ts';
import type { Requirement } from './requirements.ts';

const virtlogd: Requirement = {
  name: 'virtlogd',
  purpose: 'keeps consoles',
  anyOf: ['virtlogd', '/opt/virtlogd'],
  packages: ['libvirt-daemon'],
  packagesOn: { 'debian-13': ['libvirt-daemon-log'] },
};

test('a command is found in sbin, a file by its path', () => {
  for (const path of ['/usr/sbin/virtlogd', '/opt/virtlogd']) {
    const [check] = checkSystem([virtlogd], fakeHost({ files: { [path]: '' } }));
    assert.deepEqual([check?.ok, check?.detail, check?.fix], [true, path, '']);
  }
});

test('what is missing comes with the packages of this distribution and the command', () => {
  const root = fakeHost({});
  const [check] = checkSystem([virtlogd], root);
  assert.equal(check?.ok, false);
  assert.equal(check?.fix, 'apt-get update && apt-get install -y --no-install-recommends libvirt-daemon');
  const [trixie] = checkSystem([virtlogd], fakeHost({ distribution: 'debian-13' }));
  assert.deepEqual(trixie?.packages, ['libvirt-daemon-log']);
});

const user = { uid: 1000, userName: 'ada' };

test('an ordinary user needs ranges of ids, and is told a free one', () => {
  const taken = fakeHost({
    ...user,
    files: { '/etc/subuid': 'bob:100000:65536\n', '/etc/subgid': 'ada:200000:65536\n' },
  });
  const [subuid, subgid, namespaces] = checkSystem([], taken);
  assert.equal(subuid?.ok, false);
  assert.equal(subuid?.fix, 'sudo usermod --add-subuids 165536-231071 ada');
  assert.deepEqual([subgid?.ok, namespaces?.ok], [true, true]);
});

test('user namespaces that the system refuses are reported with the setting', () => {
  const files = { '/proc/sys/kernel/unprivileged_userns_clone': '0\n' };
  const off = checkSystem([], fakeHost({ ...user, files })).at(-1);
  assert.equal(off?.fix, 'sudo sysctl -w kernel.unprivileged_userns_clone=1');

  const restriction = { '/proc/sys/kernel/apparmor_restrict_unprivileged_userns': '1\n' };
  const refused = checkSystem([], fakeHost({ ...user, files: restriction })).at(-1);
  assert.equal(refused?.ok, false);
  const profile = { ...restriction, '/etc/apparmor.d/mmdebstrap': '' };
  assert.equal(checkSystem([], fakeHost({ ...user, files: profile })).at(-1)?.ok, true);
});

test('root needs no ranges', () => {
  assert.deepEqual(checkSystem([], fakeHost({})), []);
});

test('os-release is read with and without quotes', () => {
  assert.equal(distributionOf('PRETTY_NAME="Debian 12"\nID=debian\nVERSION_ID="12"\n'), 'debian-12');
  assert.equal(distributionOf('VERSION_ID=24.04\nID="ubuntu"\n'), 'ubuntu-24.04');
  assert.equal(distributionOf('NAME=Strange\n'), '');
});

test('this machine has a shell', () => {
  const host: Host = thisHost();
  assert.match(findCommand(host, 'sh') ?? '', /\/sh$/);
  assert.equal(findCommand(host, 'no-such-command-here'), undefined);
});
