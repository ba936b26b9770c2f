import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '../domain/clock.ts';
import { hasCode } from '../domain/errors.ts';
import type { Exec } from './exec.ts';
import { fakeHost } from './host.fake.ts';
import { aptProgress, installMissing } from './install.ts';
import type { Requirement } from './requirements.ts';

const tool: Requirement = { name: 'tool', purpose: 'is needed', anyOf: ['tool'], packages: ['tool-package'] };
const requirements = [tool];

/** A clock on which waiting takes no time. */
function quickClock(): Clock {
  let nowMs = 0;
  const sleep = async (ms: number): Promise<void> => {
    nowMs += ms;
  };
  return { now: () => nowMs, uptimeMs: () => nowMs, sleep, after: () => () => undefined };
}

/** A machine with apt; `outcomes` are the exit codes of the commands in turn, then 0; a text says what apt-get fails with. */
function machine(options: { uid?: number; sudo?: boolean; lists?: boolean; outcomes?: (number | string)[] }) {
  const files: Record<string, string> = { '/usr/bin/apt-get': '' };
  if (options.sudo) files['/usr/bin/sudo'] = '';
  if (options.lists) files['/var/lib/apt/lists/mirror_Packages'] = '';
  if (options.uid) files['/etc/subuid'] = files['/etc/subgid'] = 'ada:100000:65536\n';
  const commands: string[] = [];
  const outcomes = [...(options.outcomes ?? [])];
  const exec: Exec = async (command) => {
    const text = command.join(' ');
    commands.push(text.replace(/timeout .* (update|install)/, 'apt-get $1'));
    const outcome = outcomes.shift() ?? 0;
    if (typeof outcome === 'string') return { exitCode: 100, tail: outcome };
    const exitCode = outcome;
    if (exitCode === 0 && text.includes(' install ')) files['/usr/bin/tool'] = '';
    return { exitCode, tail: `exit ${exitCode}` };
  };
  const host = fakeHost({ uid: options.uid ?? 0, userName: options.uid ? 'ada' : 'root', files });
  const clock = quickClock();
  return { commands, files, clock, host, exec, install: () => installMissing({ clock, requirements, host, exec }) };
}

const aptInstall = 'apt-get install -y --no-install-recommends tool-package';

test('nothing is run when nothing is missing', async () => {
  const { files, commands, install } = machine({});
  files['/usr/bin/tool'] = '';
  await install();
  assert.deepEqual(commands, []);
});

test('root installs, and reads package lists only when there are none', async () => {
  const withLists = machine({ lists: true });
  await withLists.install();
  assert.deepEqual(withLists.commands, [aptInstall]);
  const without = machine({});
  await without.install();
  assert.deepEqual(without.commands, ['apt-get update', aptInstall]);
});

test('a failed install is tried once more with fresh lists, then is an error', async () => {
  const stale = machine({ lists: true, outcomes: [100] });
  await stale.install();
  assert.deepEqual(stale.commands, [aptInstall, 'apt-get update', aptInstall]);
  const broken = machine({ lists: true, outcomes: [100, 0, 100] });
  await assert.rejects(broken.install, (error) => hasCode(error, 'unavailable') && /exit 100/.test(error.message));
});

test('another apt-get that runs is waited for, but not for ever', async () => {
  const locked = 'E: Could not get lock /var/lib/apt/lists/lock. It is held by process 7 (apt-get)';
  const busy = machine({ outcomes: [locked, locked, 0, locked] });
  await busy.install();
  assert.deepEqual(busy.commands, [...Array(3).fill('apt-get update'), aptInstall, aptInstall]);
  const stuck = machine({ outcomes: Array(10_000).fill(locked) });
  await assert.rejects(stuck.install, (error) => hasCode(error, 'unavailable') && /get lock/.test(error.message));
  assert.ok(stuck.clock.now() < 3_600_000);
  const givenUp = { ...stuck.clock, sleep: (_ms: number, signal?: AbortSignal) => Promise.reject(signal?.reason) };
  const signal = AbortSignal.abort('given up');
  const { host, exec } = machine({ outcomes: [locked] });
  await assert.rejects(
    installMissing({ clock: givenUp, signal, requirements, host, exec }),
    (error) => error === 'given up',
  );
});

test('an ordinary user installs by sudo when it asks no password', async () => {
  const { commands, install } = machine({ uid: 1000, sudo: true, lists: true });
  await install();
  assert.deepEqual(commands, ['sudo -n true', `sudo -n env DEBIAN_FRONTEND=noninteractive ${aptInstall}`]);
});

test('without a way to become root the exact command is in the error, and nothing was installed', async () => {
  for (const options of [{ uid: 1000 }, { uid: 1000, sudo: true, outcomes: [1] }]) {
    const { commands, install } = machine(options);
    await assert.rejects(
      install,
      (error) => hasCode(error, 'unavailable') && error.message.includes(`sudo ${aptInstall}`),
    );
    assert.ok(!commands.some((command) => command.includes('install')));
  }
});

test('an install that does not bring the thing is an error', async () => {
  const host = fakeHost({ files: { '/usr/bin/apt-get': '', '/var/lib/apt/lists/mirror_Packages': '' } });
  const exec: Exec = async () => ({ exitCode: 0, tail: '' });
  await assert.rejects(
    () => installMissing({ clock: quickClock(), requirements, host, exec }),
    (error) => hasCode(error, 'unavailable') && /still lacks tool/.test(error.message),
  );
});

test('status lines of apt become progress; other output does not', () => {
  assert.deepEqual(aptProgress('dlstatus:3:50.0000:Retrieving file 3 of 9'), {
    label: 'Retrieving file 3 of 9',
    fraction: 0.25,
  });
  assert.deepEqual(aptProgress('pmstatus:libvirt0:amd64:40.0:Unpacking libvirt0 (amd64)'), {
    label: 'Unpacking libvirt0 (amd64)',
    fraction: 0.7,
  });
  assert.equal(aptProgress('Reading package lists...'), undefined);
});
