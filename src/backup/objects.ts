import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { link, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder, syncPath } from '../files/durable.ts';
import type { CheckRoom } from './room.ts';

/** A file's content as it was read. */
export interface Content {
  readonly sha256: string;
  readonly sizeBytes: number;
}

const hashPattern = /^[0-9a-f]{64}$/;

/** Copies a file, at most so many bytes of it, to a new file; returns what was copied. The copy is flushed. */
export async function copyFlushed(from: string, to: string, maxBytes = Number.POSITIVE_INFINITY): Promise<Content> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  await using file = await open(to, 'wx', 0o600);
  if (maxBytes > 0) {
    const range = Number.isFinite(maxBytes) ? { end: maxBytes - 1 } : {};
    for await (const chunk of createReadStream(from, { ...range, highWaterMark: 1024 * 1024 })) {
      hash.update(chunk);
      sizeBytes += chunk.length;
      await file.writeFile(chunk);
    }
  }
  await file.sync();
  return { sha256: hash.digest('hex'), sizeBytes };
}

/** Returns the hash and size of a file. */
export async function contentOf(path: string): Promise<Content> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) {
    hash.update(chunk);
    sizeBytes += chunk.length;
  }
  return { sha256: hash.digest('hex'), sizeBytes };
}

/**
 * The contents of all backups of a folder, each once, by its hash: `<dir>/objects/ab/abc...`. An object appears whole, by
 * a link or a rename, and never changes.
 */
export class Objects {
  readonly #root: string;
  readonly #temporary: string;
  readonly #touched = new Set<string>();
  /** Objects and bytes that were new. */
  added = { objects: 0, bytes: 0 };
  #drafts = 0;
  readonly #checkRoom: CheckRoom;

  /** @param checkRoom asked before a copy is made; a link takes no room */
  constructor(dir: string, checkRoom: CheckRoom = async () => undefined) {
    this.#checkRoom = checkRoom;
    this.#root = join(dir, 'objects');
    this.#temporary = join(dir, 'tmp');
  }

  /** Removes what a backup that was cut off has left. */
  async prepare(): Promise<void> {
    await rm(this.#temporary, { recursive: true, force: true });
    await makeFolder(this.#temporary);
    await makeFolder(this.#root);
  }

  /** Removes copies that are under way. */
  async dropDrafts(): Promise<void> {
    await rm(this.#temporary, { recursive: true, force: true });
  }

  path(sha256: string): string {
    return join(this.#root, sha256.slice(0, 2), sha256);
  }

  /** Size of an object; undefined when it is not there. */
  async size(sha256: string): Promise<number | undefined> {
    return (await stat(this.path(sha256)).catch(() => undefined))?.size;
  }

  /**
   * Adds a file that never changes and whose hash is known: by a hard link where the file systems allow it, else by a
   * copy. Returns its size; undefined when the file is not there, or (seen by a copy) is not what its hash says.
   */
  async addKnown(sha256: string, from: string): Promise<number | undefined> {
    const known = await this.size(sha256);
    if (known !== undefined) return known;
    const facts = await stat(from).catch(() => undefined);
    if (facts === undefined) return undefined;
    try {
      await this.#shard(sha256);
      await link(from, this.path(sha256));
      this.#count(facts.size);
      return facts.size;
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT') return undefined;
      if (code === 'EEXIST') return facts.size;
    }
    const { sha256: actual, sizeBytes } = await this.add(from);
    return actual === sha256 ? sizeBytes : undefined;
  }

  /** Adds a copy of a file, at most so many bytes of it. */
  async add(from: string, maxBytes?: number): Promise<Content> {
    this.#drafts += 1;
    const draft = join(this.#temporary, String(this.#drafts));
    await this.#checkRoom(Math.min((await stat(from)).size, maxBytes ?? Number.POSITIVE_INFINITY));
    const content = await copyFlushed(from, draft, maxBytes);
    if ((await this.size(content.sha256)) === content.sizeBytes) await rm(draft);
    else {
      await this.#shard(content.sha256);
      await rename(draft, this.path(content.sha256));
      this.#count(content.sizeBytes);
    }
    return content;
  }

  /** Flushes the names of all that was added. */
  async flush(): Promise<void> {
    for (const folder of this.#touched) await syncPath(folder);
    this.#touched.clear();
  }

  /** Removes all objects but these; returns how many went. */
  async removeOthers(kept: ReadonlySet<string>): Promise<number> {
    let removed = 0;
    for (const shard of await readdir(this.#root)) {
      for (const name of await readdir(join(this.#root, shard))) {
        if (!hashPattern.test(name) || kept.has(name)) continue;
        await rm(join(this.#root, shard, name));
        removed += 1;
      }
    }
    await this.dropDrafts();
    return removed;
  }

  async #shard(sha256: string): Promise<void> {
    const folder = join(this.#root, sha256.slice(0, 2));
    if (!this.#touched.has(folder)) await makeFolder(folder);
    this.#touched.add(folder);
  }

  #count(bytes: number): void {
    this.added = { objects: this.added.objects + 1, bytes: this.added.bytes + bytes };
  }
}
