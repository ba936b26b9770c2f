import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Clock } from '../domain/clock.ts';
import { hasCode } from '../domain/errors.ts';
import { acceptsConnections, ensureDaemons } from './daemons.ts';
import { fakeHost } from './host.fake.ts';

/**
 * A machine with libvirtd; `answersAfterMs` is when its socket accepts, once it was started. With `rival` another server is
 * starting the daemons at the same time.
 */
function machine(options: {
  uid?: number;
  systemd?: boolean;
  running?: boolean;
  logging?: boolean;
  kvmMode?: string;
  answersAfterMs?: number;
  rival?: boolean;
}) {
  let nowMs = 0;
  let startedAtMs = options.running ? -Infinity : options.rival ? 0 : Infinity;
  let loggingFromMs = options.logging ? -Infinity : options.rival ? 500 : Infinity;
  const clock: Clock = {
    now: () => nowMs,
    uptimeMs: () => nowMs,
    sleep: async (ms) => {
      nowMs += ms;
    },
    after: () => () => undefined,
  };
  const commands: string[] = [];
  const files: Record<string, string> = { '/usr/sbin/libvirtd': '' };
  if (options.systemd) files['/run/systemd/system'] = '';
  if (options.kvmMode !== undefined) files['/dev/kvm'] = options.kvmMode;
  const ensure = () =>
    ensureDaemons({
      clock,
      host: fakeHost({ uid: options.uid ?? 0, files }),
      exec: async (command) => {
        const text = command.join(' ');
        commands.push(text);
        if (options.rival)
          return { exitCode: 1, tail: `${command[0]}: error: Unable to obtain pidfile. Check its log.` };
        if (/libvirtd|systemctl/.test(text)) startedAtMs = nowMs;
        if (text.includes('virtlogd')) loggingFromMs = nowMs;
        return { exitCode: 0, tail: '' };
      },
      accepts: async (path) =>
        path.endsWith('virtlogd-sock')
          ? nowMs >= loggingFromMs
          : path.endsWith('libvirt-sock') && nowMs >= startedAtMs + (options.answersAfterMs ?? 300),
    });
  return { commands, ensure, now: () => nowMs };
}

test('a daemon that answers is left alone', async () => {
  const { commands, ensure } = machine({ running: true, logging: true });
  await ensure();
  assert.deepEqual(commands, []);
});

test('a libvirtd that was started without its log daemon gets one', async () => {
  const { commands, ensure } = machine({ running: true });
  await ensure();
  assert.deepEqual(commands, ['virtlogd -d']);
});

test('without udev, /dev/kvm is opened to its group, as udev would; else it is left alone', async () => {
  const closed = machine({ running: true, logging: true, kvmMode: '0600' });
  await closed.ensure();
  assert.deepEqual(closed.commands, ['chgrp kvm /dev/kvm', 'chmod 660 /dev/kvm']);
  for (const options of [{ kvmMode: '0660' }, { kvmMode: '0600', systemd: true }, { kvmMode: '0600', uid: 1000 }]) {
    const { commands, ensure } = machine({ running: true, logging: true, ...options });
    await ensure();
    assert.deepEqual(commands, []);
  }
});

test('an ordinary user starts no system daemon', async () => {
  const { commands, ensure } = machine({ uid: 1000 });
  await ensure();
  assert.deepEqual(commands, []);
});

test('without systemd the daemons start themselves into the background', async () => {
  const { commands, ensure, now } = machine({});
  await ensure();
  assert.deepEqual(commands, ['virtlogd -d', 'libvirtd -d']);
  assert.equal(now(), 300);
});

test('with systemd it starts the daemon', async () => {
  const { commands, ensure } = machine({ systemd: true });
  await ensure();
  assert.deepEqual(commands, ['systemctl start libvirtd']);
});

test('daemons that another server is starting just now are waited for', async () => {
  const { commands, ensure, now } = machine({ rival: true });
  await ensure();
  assert.deepEqual(commands, ['virtlogd -d', 'libvirtd -d']);
  assert.equal(now(), 500);
});

test('a daemon that never answers is an error after a bounded wait', async () => {
  const { ensure, now } = machine({ answersAfterMs: Infinity });
  await assert.rejects(ensure, (error) => hasCode(error, 'unavailable'));
  assert.ok(now() <= 60_000);
});

test('a socket counts only while something listens on it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tidepool-socket-'));
  try {
    const path = join(folder, 'sock');
    assert.equal(await acceptsConnections(path), false);
    const server = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => server.listen(path, resolve));
    assert.equal(await acceptsConnections(path), true);
    await new Promise((resolve) => server.close(resolve));
    assert.equal(await acceptsConnections(path), false);
  } finally {
    await rm(folder, { recursive: true });
  }
});
