import { stat } from 'node:fs/promises';
import { TidepoolError } from '../domain/errors.ts';
import { gone } from '../files/durable.ts';
import { contentOf, unreadable } from './content.ts';
import { type DatabaseTools, names } from './context.ts';
import { lockUnlessReadOnly } from './lock.ts';
import { listBackups, type Manifest, readManifest } from './manifest.ts';
import { Objects } from './objects.ts';
import { isFull } from './room.ts';

/** The outcome of a check. */
export interface CheckResult {
  readonly backups: readonly { readonly id: string; readonly files: number; readonly bytes: number }[];
  /** In words; none when every backup can be restored as it was made. */
  readonly problems: readonly string[];
}

/**
 * Reads every file of every backup of a folder and compares it with its checksum; looks whether the databases are sound
 * and every blob is there that they refer to. Damaged contents are moved aside, so that the next backup adds them again from the
 * server. Errors: `not_found` when the folder has no backup, `conflict` when a backup or a restore works in it.
 */
export async function checkBackups(dir: string, database: DatabaseTools): Promise<CheckResult> {
  if ((await listBackups(dir)).length === 0) throw new TidepoolError('not_found', `there is no whole backup in ${dir}`);
  const unlock = lockUnlessReadOnly(dir, database);
  try {
    return await checkAll(dir, database, unlock !== undefined);
  } finally {
    unlock?.();
  }
}

async function checkAll(dir: string, database: DatabaseTools, mayChange: boolean): Promise<CheckResult> {
  const objects = new Objects(dir);
  const ids = await listBackups(dir);
  const backups: { id: string; files: number; bytes: number }[] = [];
  const problems: string[] = [];
  const checked = new Map<string, Damage | undefined>();
  for (const id of ids) {
    const manifest = await readManifest(dir, id).catch((error: Error) => {
      problems.push(error.message);
      return undefined;
    });
    if (manifest === undefined) continue;
    for (const problem of await checkOne(objects, manifest, database, checked)) problems.push(`${id}: ${problem}`);
    const bytes = manifest.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    backups.push({ id, files: manifest.files.length, bytes });
  }
  if (mayChange) for (const [sha256, damage] of checked) if (damage?.isThere) await putAside(objects, sha256);
  return { backups, problems };
}

/** Something that is wrong with an object. */
interface Damage {
  readonly text: string;
  /** Whether a file stands in its place. */
  readonly isThere: boolean;
}

/** On a full disk it stays: the next check finds it again. */
async function putAside(objects: Objects, sha256: string): Promise<void> {
  await objects.putAside(sha256).catch((error: unknown) => {
    if (!isFull(error)) throw error;
  });
}

async function checkOne(
  objects: Objects,
  { files, missingBlobs }: Manifest,
  database: DatabaseTools,
  checked: Map<string, Damage | undefined>,
): Promise<string[]> {
  const problems = missingBlobs.map((id) => `the server had lost the blob ${id} when the backup was made`);
  for (const { path, sha256, sizeBytes } of files) {
    if (!checked.has(sha256)) checked.set(sha256, await damageOf(objects, sha256, sizeBytes));
    const problem = checked.get(sha256);
    if (problem !== undefined) problems.push(`${path}: ${problem.text}`);
  }
  const main = files.find(({ path }) => path === names.database);
  if (main === undefined) return [...problems, 'there is no database in it'];
  if (checked.get(main.sha256) !== undefined) return problems;
  const there = new Set([...files.map(({ sha256 }) => sha256), ...missingBlobs]);
  const facts = database.inspect(objects.path(main.sha256));
  for (const problem of facts.problems) problems.push(`${names.database}: ${problem}`);
  for (const blob of facts.blobs)
    if (!there.has(blob)) problems.push(`the blob ${blob}, which a row refers to, is missing`);
  return problems;
}

async function damageOf(objects: Objects, sha256: string, sizeBytes: number): Promise<Damage | undefined> {
  if ((await objects.size(sha256)) === undefined) {
    const aside = objects.damagedPath(sha256);
    const isAside = (await stat(aside).catch(gone)) !== undefined;
    const text = isAside ? `an earlier check has found it damaged; what is left of it is ${aside}` : 'it is missing';
    return { text, isThere: false };
  }
  const actual = await contentOf(objects.path(sha256)).catch(unreadable);
  if (actual === undefined) return { text: 'it cannot be read', isThere: true };
  if (actual.sizeBytes !== sizeBytes)
    return { text: `it has ${actual.sizeBytes} bytes, not ${sizeBytes}`, isThere: true };
  return actual.sha256 === sha256 ? undefined : { text: 'its content has changed', isThere: true };
}
