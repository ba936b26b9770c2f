import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { announceServer } from '../../src/config/connection.ts';
import { openTestWeb } from '../accounts/server.ts';
import { adminToken, openTestAccounts } from '../accounts/support.ts';
import { inWorkFolder, serveFolder } from './support.ts';

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `tidepool` with state of its own, as a user does. */
async function tidepool(folder: string, ...args: string[]): Promise<Outcome> {
  const { TIDEPOOL_URL: _url, TIDEPOOL_TOKEN: _token, ...env } = process.env;
  const cli = join(import.meta.dirname, '../../src/cmd/tidepool.ts');
  const options = { env: { ...env, XDG_STATE_HOME: join(folder, 'state') } };
  return promisify(execFile)(process.execPath, [cli, ...args], options).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: { code: number; stdout: string; stderr: string }) => error,
  );
}

test('a stopped server is backed up, checked and restored by commands', () =>
  inWorkFolder(async (folder) => {
    const dir = join(folder, 'backups');
    const dataDir = await (async () => {
      await using served = await serveFolder(folder);
      await served.addJob('a', 'print(1)');
      const refused = await tidepool(folder, 'backup', dir, '--data-dir', served.dataDir);
      assert.equal(refused.code, 65, 'a server has it open that cannot be asked');
      assert.match(refused.stderr, /has .*tidepool\.db open/);
      return served.dataDir;
    })();
    const inside = await tidepool(folder, 'backup', join(dataDir, 'x'), '--data-dir', dataDir);
    assert.equal(inside.code, 2, inside.stderr);
    for (let i = 0; i < 3; i += 1) {
      const made = await tidepool(folder, 'backup', dir, '--data-dir', dataDir, '--keep', '2', '--json');
      assert.equal(made.code, 0, made.stderr);
      assert.equal(JSON.parse(made.stdout).missingBlobs.length, 0);
    }
    assert.deepEqual(
      (await readdir(dataDir)).filter((name) => name.startsWith('backup')),
      [],
      'nothing is left behind',
    );
    const checked = await tidepool(folder, 'backup', 'check', dir, '--json');
    assert.deepEqual([checked.code, JSON.parse(checked.stdout).backups.length], [0, 2]);
    const unnamed = await tidepool(folder, 'restore', dir);
    assert.equal(unnamed.code, 2, unnamed.stderr);
    const restored = await tidepool(folder, 'restore', dir, '--data-dir', join(folder, 'new'));
    assert.equal(restored.code, 0, restored.stderr);
    assert.match(restored.stdout, /serve --data-dir/);
    const again = await tidepool(folder, 'restore', dir, '--data-dir', join(folder, 'new'));
    assert.deepEqual([again.code, /is not empty/.test(again.stderr)], [65, true]);
    for (const shard of await readdir(join(dir, 'objects'))) {
      for (const name of await readdir(join(dir, 'objects', shard))) {
        const path = join(dir, 'objects', shard, name);
        if ((await readFile(path, 'utf8')).startsWith('log of')) await writeFile(path, 'log of b\n');
      }
    }
    const damaged = await tidepool(folder, 'backup', 'check', dir);
    assert.deepEqual([damaged.code, /damaged: .*content has changed/.test(damaged.stdout)], [65, true]);
  }));

test('a running server copies its own database for the command', () =>
  inWorkFolder(async (folder) => {
    const accounts = await openTestAccounts();
    await using web = await openTestWeb(accounts);
    const { dataDir } = await web.context.upkeep.facts();
    await writeFile(join(dataDir, 'admin.token'), adminToken);
    await mkdir(join(folder, 'state'), { recursive: true });
    const before = process.env.XDG_STATE_HOME;
    process.env.XDG_STATE_HOME = join(folder, 'state');
    const leave = await announceServer({ url: web.url, dataDir });
    try {
      const dir = join(folder, 'backups');
      const made = await tidepool(folder, 'backup', dir);
      assert.equal(made.code, 0, made.stderr);
      assert.match(made.stdout, /^backup \S+: \d+ files/);
      assert.deepEqual(await readdir(join(dataDir, 'backup')), [], 'the copy is gone');
      assert.equal((await stat(dir)).mode & 0o777, 0o700);
      assert.equal((await tidepool(folder, 'backup', 'check', dir)).code, 0);
    } finally {
      await leave();
      process.env.XDG_STATE_HOME = before;
      if (before === undefined) delete process.env.XDG_STATE_HOME;
    }
  }));
