import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, opendir, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { BlobKeeper, ByteRange, StoredBlob } from '../domain/blob-store.ts';
import type { Clock } from '../domain/clock.ts';
import { TidepoolError } from '../domain/errors.ts';
import { fullDisk, isDiskFull } from '../files/disk-full.ts';
import { makeFolder, syncPath } from '../files/durable.ts';
import { Holds } from './holds.ts';

const idPattern = /^[0-9a-f]{64}$/;

/**
 * BlobKeeper in a folder: `<root>/ab/abcdef...`, written as `<root>/tmp/<random>`, flushed, then renamed, so a blob that
 * is there is whole, unless somebody or the disk damages it: then reading it fails, and putting its content again heals it.
 * What a crash left in tmp is swept at opening. A file's time is when its blob was put or kept last.
 * @param log receives a line for each part that cannot be listed
 */
export async function openBlobFolder(
  root: string,
  clock: Pick<Clock, 'now'>,
  log: (message: string) => void = () => undefined,
): Promise<BlobKeeper> {
  const temporary = join(root, 'tmp');
  await makeFolder(temporary);
  for (const leftover of await readdir(temporary))
    await rm(join(temporary, leftover), { recursive: true, force: true });
  const holds = new Holds();

  const pathOf = (id: string): string => {
    if (!idPattern.test(id)) throw new TidepoolError('not_found', 'a blob id is 64 hexadecimal digits');
    return join(root, id.slice(0, 2), id);
  };
  const existing = async (id: string): Promise<{ path: string; sizeBytes: number }> => {
    const path = pathOf(id);
    try {
      return { path, sizeBytes: (await stat(path)).size };
    } catch (cause) {
      const isGone = isAbsence(cause) && (await isFolder(temporary));
      throw isGone ? new TidepoolError('not_found', `there is no blob ${id}`) : unreadable(id, cause);
    }
  };
  /** @param onId told of the id before there is a blob of it */
  const put = async (
    source: AsyncIterable<Uint8Array>,
    maxBytes: number,
    onId: (id: string) => void,
  ): Promise<StoredBlob> => {
    const draft = join(temporary, randomUUID());
    try {
      const blob = await writeDraft(draft, source, maxBytes, clock);
      onId(blob.id);
      // A removal that began before would take the new file for the old one.
      await holds.removed(blob.id);
      const folder = join(root, blob.id.slice(0, 2));
      await makeFolder(folder);
      await rename(draft, pathOf(blob.id));
      await syncPath(folder);
      return blob;
    } catch (error) {
      await rm(draft, { force: true });
      throw diskProblem(error) ?? error;
    }
  };

  return {
    async put(source, maxBytes) {
      const hold = holds.begin();
      return put(source, maxBytes, (id) => hold.add(id)).finally(() => hold.end());
    },
    async read(id, range) {
      const { path, sizeBytes } = await existing(id);
      return { sizeBytes, content: range === undefined ? whole(id, path) : bytesOf(id, path, range) };
    },
    async path(id) {
      return (await existing(id)).path;
    },
    hold() {
      const hold = holds.begin();
      return {
        put: (source, maxBytes) => put(source, maxBytes, (id) => hold.add(id)),
        async keep(id) {
          hold.add(id);
          await holds.removed(id);
          const { path, sizeBytes } = await existing(id);
          // A sweep that has asked already who needs it must see that it is new.
          const now = clock.now() / 1_000;
          await utimes(path, now, now);
          return { id, sizeBytes };
        },
        [Symbol.dispose]: () => hold.end(),
      };
    },
    async *list() {
      for await (const { parentPath, name } of files(root, log)) {
        // What is removed meanwhile is not there any more.
        const facts = await stat(join(parentPath, name)).catch(() => undefined);
        if (facts?.isFile() === true) yield { id: name, sizeBytes: facts.size, changedAtMs: facts.mtimeMs };
      }
    },
    async remove(id, unchangedSinceMs) {
      const path = pathOf(id);
      return holds.remove(id, async () => {
        const facts = await stat(path).catch(() => undefined);
        if (facts === undefined || facts.mtimeMs > unchangedSinceMs) return false;
        await rm(path);
        return true;
      });
    },
  };
}

/** The content of a blob. Its end comes only when it is what the id says; what is not breaks off. */
async function* whole(id: string, path: string): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  for await (const chunk of bytesOf(id, path)) {
    hash.update(chunk);
    sizeBytes += chunk.length;
    yield chunk;
  }
  if (hash.digest('hex') === id) return;
  const text = `the blob ${id} is damaged: its file has ${sizeBytes} bytes which are not its content; send the same content again, or bring the file back from a backup`;
  throw new TidepoolError('internal', text, { details: { damagedBlob: id } });
}

async function* bytesOf(id: string, path: string, range?: ByteRange): AsyncGenerator<Uint8Array> {
  try {
    yield* createReadStream(path, range);
  } catch (cause) {
    throw unreadable(id, cause);
  }
}

function unreadable(id: string, cause: unknown): TidepoolError {
  // Its message would name a path of the server to whoever asks for the blob.
  const reason = cause instanceof Error && 'code' in cause ? cause.code : String(cause);
  return new TidepoolError('unavailable', `the server cannot read its blob ${id}: ${reason}`, { cause });
}

function isAbsence(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

/** Whether the folder is there: where it is not, nothing can be said of what is in it. */
async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (facts) => facts.isDirectory(),
    () => false,
  );
}

/** Each folder apart: one that is a file, or that the disk cannot read, does not hide the others. */
async function* files(root: string, log: (message: string) => void) {
  for await (const { name } of await opendir(root)) {
    if (!/^[0-9a-f]{2}$/.test(name)) continue;
    const path = join(root, name);
    try {
      for await (const file of await opendir(path)) if (idPattern.test(file.name)) yield file;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      log(`the blobs in ${path} are left out, since it cannot be listed: ${why}; see to it, or move it away`);
    }
  }
}

async function writeDraft(
  path: string,
  source: AsyncIterable<Uint8Array>,
  maxBytes: number,
  clock: Pick<Clock, 'now'>,
): Promise<StoredBlob> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  const file = await open(path, 'wx', 0o600);
  try {
    for await (const chunk of source) {
      sizeBytes += chunk.length;
      if (sizeBytes > maxBytes) {
        throw new TidepoolError('too_large', `more than the allowed ${maxBytes} bytes were sent`, {
          details: { maxBytes },
        });
      }
      hash.update(chunk);
      await file.writeFile(chunk);
    }
    const now = clock.now() / 1_000;
    await file.utimes(now, now);
    await file.datasync();
  } finally {
    await file.close();
  }
  return { id: hash.digest('hex'), sizeBytes };
}

function diskProblem(cause: unknown): TidepoolError | undefined {
  return isDiskFull(cause) ? fullDisk("the server's disk is full; ask its administrator", cause) : undefined;
}
