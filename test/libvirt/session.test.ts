import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { accessSync, chownSync, constants, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { until } from '../support/poll.ts';
import { tinyGuest } from '../support/tiny-guest.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** There on every system, and nobody's own. */
const ordinaryUser = 'nobody';
const limitMs = 540_000;
const stopLimitMs = 30_000;

test('the conformance suite as an ordinary user, whose daemon is started for it', { skip: whyNot() }, async () => {
  const [uid = 0, gid = 0] = ['-u', '-g'].map((flag) => Number(execFileSync('id', [flag, ordinaryUser])));
  const home = await mkdtemp(join(tmpdir(), 'tidepool-session-'));
  const runtime = join(home, 'run');
  for (const folder of [home, runtime]) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    chownSync(folder, uid, gid);
  }
  const { kernelPath } = await tinyGuest();
  const env = {
    PATH: process.env.PATH,
    HOME: home,
    XDG_RUNTIME_DIR: runtime,
    TIDEPOOL_TEST_KERNEL: kernelPath,
  };
  try {
    assert.equal(existsSync(join(runtime, 'libvirt')), false);
    const output = await runAs(uid, gid, env);
    assert.match(output, /^ℹ pass [1-9][0-9]*$/m, output);
    assert.match(output, /^ℹ fail 0$/m, output);
    assert.equal(
      existsSync(join(runtime, 'libvirt', 'libvirt-sock')) || existsSync(join(runtime, 'libvirt', 'virtqemud-sock')),
      true,
    );
  } finally {
    await stopDaemons(join(runtime, 'libvirt'));
    await rm(home, { recursive: true, force: true });
  }
});

function whyNot(): string | false {
  if (process.getuid?.() !== 0) return 'not root: the conformance suite itself runs on this user’s session daemon';
  try {
    accessSync(root, constants.X_OK);
    execFileSync(process.execPath, ['--version'], { uid: 65_534, gid: 65_534, cwd: root });
    return false;
  } catch {
    return `${ordinaryUser} cannot enter ${root}`;
  }
}

function runAs(uid: number, gid: number, env: Record<string, string | undefined>): Promise<string> {
  const words = ['--test', '--test-reporter=spec', 'test/conformance/hypervisor-libvirt.test.ts'];
  return new Promise((resolve) => {
    execFile(process.execPath, words, { uid, gid, env, cwd: root, timeout: limitMs }, (_error, stdout, stderr) => {
      resolve(stdout + stderr);
    });
  });
}

/** They would end by themselves two minutes later, in a folder that is gone; until they have ended they write to it. */
async function stopDaemons(folder: string): Promise<void> {
  for (const name of ['libvirtd', 'virtqemud', 'virtlogd']) {
    const pid = Number(await readFile(join(folder, `${name}.pid`), 'utf8').catch(() => ''));
    if (pid === 0 || !runs(pid)) continue;
    process.kill(pid, 'SIGTERM');
    await until(
      async () => runs(pid),
      (isThere) => !isThere,
      stopLimitMs,
    );
  }
}

/** Whether there is a process that has not ended: one whose end nobody has asked for yet is still in the table. */
function runs(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
