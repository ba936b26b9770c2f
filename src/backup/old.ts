import { rm } from 'node:fs/promises';
import { hasCode } from '../domain/errors.ts';
import { listBackups, type Manifest, manifestPath, readManifest } from './manifest.ts';
import type { Objects } from './objects.ts';

/** Which backups stay, and where to say what does not go. */
export interface Keeping {
  readonly dir: string;
  /** The newest whole backups that stay, with those between them; all when it is undefined. */
  readonly keep: number | undefined;
  log(message: string): void;
}

/**
 * Removes older backups, and what no backup refers to; returns the ids of those that went. One that lacks a blob does not count
 * among those that stay. A damaged manifest stays, and then every object does.
 */
export async function removeOld(objects: Objects, { dir, keep, log }: Keeping): Promise<string[]> {
  const old = (await listBackups(dir)).reverse();
  const kept = new Set<string>();
  let isAllRead = true;
  for (let whole = 0; old.length > 0 && whole < (keep ?? Number.POSITIVE_INFINITY); ) {
    const manifest = await readUndamaged(dir, old.shift() ?? '', log);
    if (manifest === undefined) isAllRead = false;
    else if (manifest.missingBlobs.length === 0) whole += 1;
    for (const { sha256 } of manifest?.files ?? []) kept.add(sha256);
  }
  const removed = old.reverse();
  for (const id of removed) await rm(manifestPath(dir, id));
  if (isAllRead) await objects.removeOthers(kept);
  return removed;
}

async function readUndamaged(dir: string, id: string, log: Keeping['log']): Promise<Manifest | undefined> {
  return readManifest(dir, id).catch((error: unknown) => {
    if (!hasCode(error, 'conflict')) throw error;
    log(`nothing is cleaned up: ${error.message}`);
    return undefined;
  });
}
