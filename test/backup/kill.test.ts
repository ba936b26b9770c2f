import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cp, mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { backUp } from '../../src/backup/backup.ts';
import { checkBackups } from '../../src/backup/check.ts';
import { listBackups } from '../../src/backup/manifest.ts';
import { prepareDataFolder } from '../../src/config/data-folder.ts';
import { databaseKind } from '../../src/sqlite/recognize.ts';
import { openSqliteStore } from '../../src/sqlite/store.ts';
import { databaseTools, inWorkFolder, serveFolder } from './support.ts';

/** Kills of each kind, spread over all steps; `TIDEPOOL_KILLS=1000` tries every step. */
const mostKills = Number(process.env.TIDEPOOL_KILLS ?? 6);

/** Runs the action in a process that is killed before this step; gives the number of steps if it came to its end. */
function run(action: 'backup' | 'restore', folder: string, step: number): number | undefined {
  const script = join(import.meta.dirname, 'killed.ts');
  const child = spawnSync(process.execPath, [script, action, folder, String(step)], { encoding: 'utf8' });
  if (child.signal === 'SIGKILL') return undefined;
  assert.equal(child.status, 0, child.stderr);
  return Number(child.stdout);
}

function* spread(steps: number): Generator<number> {
  const kills = Math.min(steps, mostKills);
  for (let i = 0; i < kills; i += 1) yield 1 + Math.floor((i * steps) / kills);
}

test('a backup that is killed at any step is none, harms no other, and the next one succeeds', () =>
  inWorkFolder(async (folder) => {
    const data = join(folder, 'original');
    const dir = join(folder, 'backups');
    const first = await (async () => {
      await using served = await serveFolder(folder);
      await served.addJob('a', 'print(1)');
      const { id } = await backUp(served.options(dir));
      await served.addJob('b', 'print(2)');
      await served.addJob('c', 'print(3)');
      return id;
    })();
    await cp(dir, data, { recursive: true });
    const steps = run('backup', folder, Number.POSITIVE_INFINITY) ?? assert.fail('killed');
    assert.ok(steps > 10, `${steps} steps`);
    for (const step of spread(steps)) {
      await rm(dir, { recursive: true });
      await cp(data, dir, { recursive: true });
      assert.equal(run('backup', folder, step), undefined);
      assert.deepEqual((await checkBackups(dir, databaseTools)).problems, [], `after a kill before step ${step}`);
      assert.equal((await listBackups(dir))[0], first);
      run('backup', folder, Number.POSITIVE_INFINITY);
      const { problems, backups } = await checkBackups(dir, databaseTools);
      assert.deepEqual([problems, backups.length], [[], 2]);
    }
  }));

for (const isThere of [false, true])
  test(`a restore to a folder that ${isThere ? 'is empty' : 'is not there'} may be killed at any step: no server starts there until the next one has succeeded`, () =>
    inWorkFolder(async (folder) => {
      const dir = join(folder, 'backups');
      const target = join(folder, 'new');
      const makeTarget = async (): Promise<void> => {
        await rm(target, { recursive: true, force: true });
        if (isThere) await mkdir(target);
      };
      const script = await (async () => {
        await using served = await serveFolder(folder);
        const blob = await served.addJob('a', 'print(1)');
        await backUp(served.options(dir));
        return blob;
      })();
      await makeTarget();
      const steps = run('restore', folder, Number.POSITIVE_INFINITY) ?? assert.fail('killed');
      for (const step of spread(steps)) {
        await makeTarget();
        assert.equal(run('restore', folder, step), undefined);
        if (!(await isWhole(target))) run('restore', folder, Number.POSITIVE_INFINITY);
        await prepareDataFolder(target, databaseKind);
        const store = await openSqliteStore(join(target, 'tidepool.db'));
        assert.ok(await store.jobs.get('a'), `after a kill before step ${step}`);
        await store.close();
        assert.equal((await stat(join(target, 'blobs', script.slice(0, 2), script))).size, 8);
        assert.equal((await readdir(target)).includes('.restoring'), false);
      }
    }));

/** Whether a server would start there, with what has been restored. */
async function isWhole(target: string): Promise<boolean> {
  if (!(await readdir(target).catch(() => [] as string[])).includes('tidepool.db')) return false;
  return prepareDataFolder(target, databaseKind).then(
    () => true,
    () => false,
  );
}
