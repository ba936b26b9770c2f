import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../domain/errors.ts';
import { sessionSockets, systemSockets } from './socket-paths.ts';
import { sshArguments } from './ssh.ts';
import { parseLibvirtUri } from './uri.ts';

test('URIs of every transport', () => {
  const cases: [string, Partial<ReturnType<typeof parseLibvirtUri>>][] = [
    ['qemu:///system', { driver: 'qemu', transport: 'unix', host: '', isSession: false, remoteName: 'qemu:///system' }],
    ['qemu:///session', { transport: 'unix', isSession: true, remoteName: 'qemu:///session' }],
    ['qemu+unix:///system?socket=/x/sock', { transport: 'unix', remoteName: 'qemu:///system' }],
    ['qemu+tcp://host.example/system', { transport: 'tcp', host: 'host.example', port: undefined }],
    ['qemu+tcp://[::1]:1234/system', { transport: 'tcp', host: '::1', port: 1234 }],
    ['qemu://host.example/system', { transport: 'tls', host: 'host.example', remoteName: 'qemu:///system' }],
    ['qemu+ssh://me@host.example:22/session', { transport: 'ssh', user: 'me', port: 22, isSession: true }],
    ['qemu+tls://h/system?pkipath=/p&mode=auto', { transport: 'tls', remoteName: 'qemu:///system?mode=auto' }],
    ['qemu+ssh://h/system?name=test:///default', { remoteName: 'test:///default' }],
    ['test:///default', { driver: 'test', transport: 'unix', remoteName: 'test:///default' }],
  ];
  for (const [text, expected] of cases) {
    const parsed = parseLibvirtUri(text);
    for (const [key, value] of Object.entries(expected)) {
      assert.equal(parsed[key as keyof typeof parsed], value, `${text}: ${key}`);
    }
  }
});

test('what is no URI of ours is invalid', () => {
  for (const text of [
    '',
    'qemu',
    '/run/libvirt',
    'qemu+carrier-pigeon://h/system',
    'qemu+tcp:///system',
    'qemu+tls://h/system?no_verify=1',
  ]) {
    assert.throws(
      () => parseLibvirtUri(text),
      (error) => hasCode(error, 'invalid'),
      text,
    );
  }
});

test('both layouts of sockets, in the folders that libvirt uses', () => {
  assert.deepEqual(systemSockets('qemu').slice(0, 2), ['/run/libvirt/virtqemud-sock', '/run/libvirt/libvirt-sock']);
  assert.deepEqual(sessionSockets('qemu', { XDG_RUNTIME_DIR: '/run/user/1' }), [
    '/run/user/1/libvirt/virtqemud-sock',
    '/run/user/1/libvirt/libvirt-sock',
  ]);
  assert.equal(sessionSockets('qemu', { XDG_CACHE_HOME: '/c' })[1], '/c/libvirt/libvirt-sock');
  assert.equal(sessionSockets('qemu', { HOME: '/h' })[1], '/h/.cache/libvirt/libvirt-sock');
});

test('nothing of a URI becomes an option of ssh or another command of the far shell', () => {
  const words = sshArguments(parseLibvirtUri(`qemu+ssh://host.example/system?socket=/x';reboot;'&name=a';reboot;'b`));
  const separator = words.indexOf('--');
  assert.equal(words[separator + 1], 'host.example');
  assert.equal(words.length, separator + 3);
  const script = words.at(-1) ?? '';
  // Every quote of the URI is closed, escaped and opened again, twice over: once for sh -c, once inside it.
  assert.ok(!/[^\\']';reboot/.test(script), script);
});
