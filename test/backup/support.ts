import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BackupOptions } from '../../src/backup/backup.ts';
import type { DatabaseTools } from '../../src/backup/context.ts';
import { openBlobFolder } from '../../src/blobs/blob-folder.ts';
import { openLogFolder } from '../../src/blobs/log-folder.ts';
import type { Store } from '../../src/domain/store.ts';
import { FakeClock } from '../../src/fake/clock.ts';
import { queuedJob } from '../../src/fake/job.ts';
import { inspectDatabase, lockFolder, rewriteDatabase } from '../../src/sqlite/copy.ts';
import { blobUsers, lastAttempts } from '../../src/sqlite/references.ts';
import { openSqliteStore } from '../../src/sqlite/store.ts';

export const databaseTools: DatabaseTools = {
  inspect: inspectDatabase,
  blobUsers,
  attempts: lastAttempts,
  rewrite: rewriteDatabase,
  lock: lockFolder,
};

/** A folder with a data folder in it, as a running server has it. */
export async function inWorkFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'tidepool-backup-'));
  try {
    await body(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** A data folder with an open store. */
export interface Served extends AsyncDisposable {
  readonly dataDir: string;
  readonly store: Store;
  /** Adds a job with a script, and a log of its first attempt; returns the id of its script's blob. */
  addJob(id: string, script: string, attempt?: number): Promise<string>;
  appendLog(id: string, text: string): Promise<void>;
  options(dir: string, change?: Partial<BackupOptions>): BackupOptions;
}

/** Opens a data folder as `serve` does. */
export async function serveFolder(folder: string): Promise<Served> {
  const clock = new FakeClock();
  const dataDir = join(folder, 'data');
  await mkdir(dataDir, { recursive: true });
  const store = await openSqliteStore(join(dataDir, 'tidepool.db'));
  await store.setting('installation-id', () => 'the-original');
  await writeFile(join(dataDir, 'admin.token'), `${'t'.repeat(43)}\n`, { mode: 0o600 });
  const blobs = await openBlobFolder(join(dataDir, 'blobs'), clock);
  const logs = await openLogFolder(join(dataDir, 'logs'));
  return {
    dataDir,
    store,
    async addJob(id, script, attempt = 0) {
      const blob = await blobs.put(
        (async function* () {
          yield Buffer.from(script);
        })(),
        100_000_000,
      );
      const job = queuedJob({ id, attempt, createdAtMs: clock.now() });
      const inputBytes = { ...job.spec.inputBytes, script: blob.sizeBytes };
      await store.jobs.insert({ ...job, spec: { ...job.spec, scriptBlob: blob.id, inputBytes } });
      await logs.append(id, 1, Buffer.from(`log of ${id}\n`));
      return blob.id;
    },
    appendLog: (id, text) => logs.append(id, 1, Buffer.from(text)),
    options: (dir, change = {}) => ({
      ...{ dir, dataDir, keep: undefined, configFile: undefined, version: '1.2.3' },
      now() {
        clock.jump(1_000);
        return clock.now();
      },
      database: databaseTools,
      reserve: { minBytes: 0, percent: 0 },
      async takeDatabase() {
        await mkdir(join(dataDir, 'backup'), { recursive: true });
        const path = join(dataDir, 'backup', randomUUID());
        await store.copyTo(path);
        return path;
      },
      log: () => undefined,
      ...change,
    }),
    [Symbol.asyncDispose]: () => store.close(),
  };
}
