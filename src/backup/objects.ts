import { link, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { gone, makeFolder, syncPath } from '../files/durable.ts';
import { type Content, contentOf, copyFlushed, unreadable } from './content.ts';
import type { CheckRoom } from './room.ts';

/** How a file whose hash is known was added. */
export interface Known {
  /** Size of the object; undefined when the backups have none that is whole. */
  readonly sizeBytes: number | undefined;
  /** What is wrong with the file itself. */
  readonly fault?: 'missing' | 'damaged';
}

const hashPattern = /^[0-9a-f]{64}$/;

/**
 * The contents of all backups of a folder, each once, by its hash: `<dir>/objects/ab/abc...`. An object appears whole, by
 * a rename of a draft that was read and has this hash. One that is found damaged later is moved to `<dir>/damaged/`, and
 * the next backup adds it again.
 */
export class Objects {
  readonly #root: string;
  readonly #temporary: string;
  readonly #damaged: string;
  readonly #touched = new Set<string>();
  /** Sizes of objects that were whole when they were read. */
  readonly #whole = new Map<string, number>();
  /** Objects and bytes that were new. */
  added = { objects: 0, bytes: 0 };
  #drafts = 0;
  readonly #checkRoom: CheckRoom;

  /** @param checkRoom asked before a copy is made; a link takes no room */
  constructor(dir: string, checkRoom: CheckRoom = async () => undefined) {
    this.#checkRoom = checkRoom;
    this.#root = join(dir, 'objects');
    this.#temporary = join(dir, 'tmp');
    this.#damaged = join(dir, 'damaged');
  }

  /** Removes what a backup that was cut off has left. */
  async prepare(): Promise<void> {
    await this.dropDrafts();
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

  /** Path of an object that was moved aside as damaged. */
  damagedPath(sha256: string): string {
    return join(this.#damaged, sha256);
  }

  /** Size of an object; undefined when it is not there. */
  async size(sha256: string): Promise<number | undefined> {
    return (await stat(this.path(sha256)).catch(gone))?.size;
  }

  /** Takes the objects of a backup for whole, as long as they have the sizes that they had. */
  trust(files: Iterable<Content>): void {
    for (const { sha256, sizeBytes } of files) this.#whole.set(sha256, sizeBytes);
  }

  /**
   * Adds a file that never changes and whose hash is known: by a hard link where the file systems allow it, else by a
   * copy. Its content is read once, when it is added. An object that is there already is read again when its size is not that
   * of the file, or not the one it had; the one of the two stays, or comes, that has this hash.
   */
  async addKnown(sha256: string, from: string): Promise<Known> {
    const known = await this.size(sha256);
    const source = (await stat(from).catch(gone))?.size;
    if (known !== undefined && known === this.#whole.get(sha256) && (source ?? known) === known) {
      // An earlier backup that was killed may have left its name unflushed.
      this.#touch(sha256);
      return { sizeBytes: known, ...(source === undefined ? { fault: 'missing' } : {}) };
    }
    if (source !== undefined) {
      const draft = this.#draft();
      const content = await this.#take(from, draft, source);
      if (content?.sha256 === sha256) {
        await this.#publish(draft, content, known === undefined);
        return { sizeBytes: content.sizeBytes };
      }
      await rm(draft, { force: true });
    }
    const fault = (await stat(from).catch(gone)) === undefined ? 'missing' : 'damaged';
    if (known === undefined) return { sizeBytes: undefined, fault };
    const content = await contentOf(this.path(sha256)).catch(unreadable);
    if (content?.sha256 === sha256) {
      this.trust([content]);
      return { sizeBytes: content.sizeBytes, fault };
    }
    await this.putAside(sha256);
    return { sizeBytes: undefined, fault };
  }

  /** Adds a copy of a file, at most so many bytes of it. It replaces an object that is there, which may be damaged. */
  async add(from: string, maxBytes?: number): Promise<Content> {
    const draft = this.#draft();
    await this.#checkRoom(Math.min((await stat(from)).size, maxBytes ?? Number.POSITIVE_INFINITY));
    const content = await copyFlushed(from, draft, maxBytes);
    await this.#publish(draft, content, (await this.size(content.sha256)) === undefined);
    return content;
  }

  /** Moves a damaged object aside, so that the next backup adds it again. */
  async putAside(sha256: string): Promise<void> {
    await makeFolder(this.#damaged);
    await rename(this.path(sha256), this.damagedPath(sha256));
  }

  /** Flushes the names of all that was added. */
  async flush(): Promise<void> {
    for (const folder of this.#touched) await syncPath(folder);
    await syncPath(this.#root);
    this.#touched.clear();
  }

  /** Removes all objects but these, and of the damaged ones those that nobody needs any more; returns how many went. */
  async removeOthers(kept: ReadonlySet<string>): Promise<number> {
    let removed = 0;
    for (const shard of await readdir(this.#root)) {
      for (const name of await readdir(join(this.#root, shard))) {
        if (!hashPattern.test(name) || kept.has(name)) continue;
        await rm(join(this.#root, shard, name));
        removed += 1;
      }
    }
    for (const name of (await readdir(this.#damaged).catch(gone)) ?? []) {
      const isNeeded = kept.has(name) && (await this.size(name)) === undefined;
      if (hashPattern.test(name) && !isNeeded) await rm(this.damagedPath(name));
    }
    await this.dropDrafts();
    return removed;
  }

  #draft(): string {
    this.#drafts += 1;
    return join(this.#temporary, String(this.#drafts));
  }

  /** Brings a file to a draft and reads it; undefined when it has gone, or cannot be read. */
  async #take(from: string, draft: string, sizeBytes: number): Promise<Content | undefined> {
    const isLinked = await link(from, draft).then(
      () => true,
      (error: NodeJS.ErrnoException) => (error.code === 'ENOENT' ? undefined : false),
    );
    if (isLinked === undefined) return undefined;
    if (isLinked) return contentOf(draft).catch(unreadable);
    await this.#checkRoom(sizeBytes);
    return copyFlushed(from, draft).catch((error: NodeJS.ErrnoException) =>
      error.code === 'ENOENT' ? undefined : unreadable(error),
    );
  }

  async #publish(draft: string, { sha256, sizeBytes }: Content, isNew: boolean): Promise<void> {
    const folder = this.#touch(sha256);
    await makeFolder(folder);
    await rename(draft, this.path(sha256));
    this.#whole.set(sha256, sizeBytes);
    if (isNew) this.added = { objects: this.added.objects + 1, bytes: this.added.bytes + sizeBytes };
  }

  #touch(sha256: string): string {
    const folder = join(this.#root, sha256.slice(0, 2));
    this.#touched.add(folder);
    return folder;
  }
}
