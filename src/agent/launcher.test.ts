import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../domain/errors.ts';
import { Launcher } from './launcher.ts';

const script = `
echo ready
while read -r line; do
  code=0
  ( eval "$line" ) || code=$?
  echo "$code"
done
`;

test('one shell carries out one command after the other, each in a process of its own', async () => {
  const launcher = await Launcher.start(script, []);
  assert.equal(await launcher.run('exit 0'), 0);
  assert.equal(await launcher.run('exit 7'), 7);
  assert.equal(await launcher.run("kill -9 $(sh -c 'echo $PPID')"), 137);
  assert.equal(launcher.running, undefined);
  assert.equal(await launcher.run('exit 0'), 0);
  assert.equal(launcher.isAlive, true);
  launcher.end();
});

test('the process of the command that runs is known', async () => {
  const launcher = await Launcher.start(script, []);
  const running = launcher.run('exec sleep 600');
  let pid = launcher.running;
  while (pid === undefined) {
    await new Promise((resolve) => setImmediate(resolve));
    pid = launcher.running;
  }
  process.kill(pid, 'SIGKILL');
  assert.equal(await running, 137);
  launcher.end();
});

test('a shell that cannot prepare, or that dies, is an error that tells what it said', async () => {
  const cannot = Launcher.start('echo "no such disk" >&2; exit 1', []);
  await assert.rejects(cannot, (error) => hasCode(error, 'internal') && error.message.includes('no such disk'));
  const launcher = await Launcher.start('echo ready; read -r line; echo gone >&2; exit 3', []);
  await assert.rejects(launcher.run('x'), (error) => hasCode(error, 'internal') && error.message.includes('gone'));
  assert.equal(launcher.isAlive, false);
  await assert.rejects(launcher.run('x'), (error) => hasCode(error, 'internal'));
});
