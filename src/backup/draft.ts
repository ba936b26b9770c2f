import { open, readdir, readFile, rename, rm, rmdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { TidepoolError } from '../domain/errors.ts';
import { gone, makeFolder, syncPath, writeFileDurably } from '../files/durable.ts';
import { restoringPaths } from '../files/restoring.ts';
import { type DatabaseTools, names } from './context.ts';

/** What a restore prepares, inside the data folder that it becomes: on the same disk, which may be a mount of its own. */
export interface Draft {
  /** Folder of what becomes the content of the data folder. */
  readonly path: string;
  /** Moves all of it to the data folder, the database last; it must be on the disk already. Servers start there from now on. */
  moveUp(): Promise<void>;
  /** Takes away all that the restore has made; the rest of it goes when the draft is closed. */
  remove(): Promise<void>;
  /** Removes what is left of the draft, and lets others have the data folder. */
  close(): Promise<void>;
}

/** Every file system of the kind ext has one. */
const notOurs = new Set(['lost+found']);

/**
 * Makes the draft in a data folder that is not there yet, or is empty, or in which a restore was cut off: what that one has made
 * goes. Error: `conflict` (something else is in the folder, or another restore works on it).
 */
export async function openDraft(dataDir: string, database: Pick<DatabaseTools, 'lock'>): Promise<Draft> {
  const { draft, marker, lock } = restoringPaths(dataDir);
  const content = join(draft, 'content');
  const wasThere = (await stat(dataDir).catch(gone)) !== undefined;
  await movedNames(dataDir);
  await makeFolder(draft);
  await (await open(marker, 'a', 0o600)).close();
  await syncPath(draft);
  const unlock = database.lock(draft);
  const clear = async (): Promise<void> => {
    for (const name of await movedNames(dataDir)) await rm(join(dataDir, name), { recursive: true, force: true });
    for (const name of await readdir(draft))
      if (!isSign(name)) await rm(join(draft, name), { recursive: true, force: true });
  };
  let isRemoved = false;
  const close = async (): Promise<void> => {
    unlock();
    if ((await stat(marker).catch(gone)) !== undefined) return;
    await rm(lock, { force: true });
    await rmdir(draft).catch(gone);
    if (isRemoved && !wasThere) await rmdir(dataDir);
  };

  try {
    await clear();
    await makeFolder(content);
  } catch (error) {
    // An empty one is our own: another restore has come to its end just now.
    if ((await stat(marker)).size === 0) await rm(marker);
    await close();
    throw error;
  }
  return {
    path: content,
    async moveUp() {
      const moved = await readdir(content);
      moved.sort((a, b) => Number(a === names.database) - Number(b === names.database));
      await writeFileDurably(marker, JSON.stringify(moved));
      for (const name of moved) {
        if (name === names.database) await syncPath(dataDir);
        await rename(join(content, name), join(dataDir, name));
      }
      await syncPath(dataDir);
      await rmdir(content);
      await rm(marker);
      await syncPath(draft);
    },
    async remove() {
      await clear();
      await rm(marker);
      isRemoved = true;
    },
    close,
  };
}

const { marker: markerPath, lock: lockPath } = restoringPaths('');
const markerName = basename(markerPath);
const lockName = basename(lockPath);

/** Whether a name in a draft is not of its content. */
function isSign(name: string): boolean {
  return name === markerName || isLock(name);
}

function isLock(name: string): boolean {
  return name === lockName || name === `${lockName}-journal`;
}

/** Names in the data folder that a restore which was cut off has moved there. Error: `conflict` for anything else. */
async function movedNames(dataDir: string): Promise<readonly string[]> {
  const { draft, marker } = restoringPaths(dataDir);
  const inDraft = (await readdir(draft).catch(gone)) ?? [];
  // One that was killed when it removed its draft has left the lock.
  if (!inDraft.includes(markerName) && !inDraft.every(isLock))
    throw new TidepoolError('conflict', `${draft} was not made by a restore; move it away`);
  const moved = parseNames((await readFile(marker, 'utf8').catch(gone)) ?? '');
  const others = ((await readdir(dataDir).catch(gone)) ?? []).filter(
    (name) => name !== basename(draft) && !notOurs.has(name) && !moved.includes(name),
  );
  if (others.length === 0) return moved;
  const some = others.slice(0, 3).join(', ');
  throw new TidepoolError(
    'conflict',
    `${dataDir} is not empty (${some}${others.length > 3 ? ', ...' : ''}); restore into a folder that is not there yet, or is empty`,
  );
}

/** A marker is empty until the move begins. */
function parseNames(text: string): string[] {
  if (text === '') return [];
  const moved: unknown = JSON.parse(text);
  return Array.isArray(moved) ? moved.map(String).filter((name) => /^[\w.-]+$/.test(name) && !/^\.+$/.test(name)) : [];
}
