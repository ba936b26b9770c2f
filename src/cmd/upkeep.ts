import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../domain/clock.ts';
import { TidepoolError } from '../domain/errors.ts';
import type { Store } from '../domain/store.ts';
import { folderDisk } from '../files/disk.ts';
import { agentProtocol } from '../protocol/agent.ts';
import type { DatabaseCopy, ServerFacts } from '../protocol/server.ts';
import { Turns } from '../reconcile/turns.ts';
import { version } from './version.ts';

/** Bytes of the disk that a copy of the database leaves free. */
const spareBytes = 64 * 1024 * 1024;
/** Copies that may lie there: those of commands at work, or of commands that were killed. */
const mostCopies = 2;

/** Returns the folder of the copies that are made for backups; each start and each backup empties it. */
export function copiesFolder(dataDir: string): string {
  return join(dataDir, 'backup');
}

/** What makes copies of the database for backups, and says what an upgrade depends on. */
export interface Upkeep {
  facts(): Promise<ServerFacts>;
  /** Errors: `exhausted` when the disk has no room for the copy, `unavailable` when the data folder is gone. */
  copyDatabase(): Promise<DatabaseCopy>;
}

/** Settings of the upkeep. */
export interface UpkeepOptions {
  readonly store: Pick<Store, 'facts' | 'copyTo'>;
  readonly dataDir: string;
  readonly imageId: string;
  readonly clock: Pick<Clock, 'now'>;
}

/** Opens the upkeep of a data folder; copies that commands of an earlier run have left go. */
export async function openUpkeep({ store, dataDir, imageId, clock }: UpkeepOptions): Promise<Upkeep> {
  const folder = copiesFolder(dataDir);
  const turns = new Turns();
  await rm(folder, { recursive: true, force: true });
  return {
    async facts() {
      return { version, dataDir, imageId, agentProtocol, database: await store.facts() };
    },
    copyDatabase: () =>
      turns.run(async () => {
        await makeIn(dataDir, folder);
        await dropOldest(folder);
        await requireRoom(folder, (await store.facts()).sizeBytes);
        const path = join(folder, `${randomUUID()}.db`);
        const takenAtMs = clock.now();
        try {
          await store.copyTo(path);
        } catch (error) {
          await rm(path, { force: true });
          throw error;
        }
        return { path, sizeBytes: (await stat(path)).size, takenAtMs };
      }),
  };
}

/** Without the folders above it: a data folder that was moved or unmounted must not seem to be there again. */
async function makeIn(dataDir: string, folder: string): Promise<void> {
  try {
    await mkdir(folder, { mode: 0o700 });
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : '';
    if (code === 'EEXIST') return;
    if (code !== 'ENOENT') throw cause;
    throw new TidepoolError('unavailable', `the data folder ${dataDir} is not there any more; put it back`, { cause });
  }
}

async function dropOldest(folder: string): Promise<void> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.db'));
  const copies = await Promise.all(
    names.map(async (name) => ({ name, atMs: (await stat(join(folder, name))).mtimeMs })),
  );
  copies.sort((a, b) => b.atMs - a.atMs);
  for (const { name } of copies.slice(mostCopies - 1)) await rm(join(folder, name), { force: true });
}

async function requireRoom(folder: string, sizeBytes: number): Promise<void> {
  const { freeBytes } = await folderDisk(folder).space();
  if (freeBytes >= sizeBytes + spareBytes) return;
  const needed = Math.ceil((sizeBytes + spareBytes) / 1024 / 1024);
  const free = Math.floor(freeBytes / 1024 / 1024);
  throw new TidepoolError(
    'exhausted',
    `a copy of the database needs ${needed} MiB in ${folder}, where ${free} MiB are free; make room`,
  );
}
