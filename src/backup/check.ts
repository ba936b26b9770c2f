import { TidepoolError } from '../domain/errors.ts';
import { type DatabaseTools, names } from './context.ts';
import { listBackups, type Manifest, readManifest } from './manifest.ts';
import { contentOf, Objects } from './objects.ts';

/** The outcome of a check. */
export interface CheckResult {
  readonly backups: readonly { readonly id: string; readonly files: number; readonly bytes: number }[];
  /** In words; none when every backup can be restored as it was made. */
  readonly problems: readonly string[];
}

/**
 * Reads every file of every backup of a folder and compares it with its checksum; looks whether the databases are sound
 * and every blob is there that they refer to. Error: `not_found` when the folder has no backup.
 */
export async function checkBackups(dir: string, database: DatabaseTools): Promise<CheckResult> {
  const ids = await listBackups(dir);
  if (ids.length === 0) throw new TidepoolError('not_found', `there is no whole backup in ${dir}`);
  const backups: { id: string; files: number; bytes: number }[] = [];
  const problems: string[] = [];
  const checked = new Map<string, string | undefined>();
  for (const id of ids) {
    const manifest = await readManifest(dir, id).catch((error: Error) => {
      problems.push(error.message);
      return undefined;
    });
    if (manifest === undefined) continue;
    for (const problem of await checkOne(dir, manifest, database, checked)) problems.push(`${id}: ${problem}`);
    const bytes = manifest.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    backups.push({ id, files: manifest.files.length, bytes });
  }
  return { backups, problems };
}

async function checkOne(
  dir: string,
  { files, missingBlobs }: Manifest,
  database: DatabaseTools,
  checked: Map<string, string | undefined>,
): Promise<string[]> {
  const objects = new Objects(dir);
  const problems = missingBlobs.map((id) => `the server had lost the blob ${id} when the backup was made`);
  for (const { path, sha256, sizeBytes } of files) {
    if (!checked.has(sha256)) checked.set(sha256, await contentProblem(objects, sha256, sizeBytes));
    const problem = checked.get(sha256);
    if (problem !== undefined) problems.push(`${path}: ${problem}`);
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

async function contentProblem(objects: Objects, sha256: string, sizeBytes: number): Promise<string | undefined> {
  if ((await objects.size(sha256)) === undefined) return 'it is missing';
  const actual = await contentOf(objects.path(sha256));
  if (actual.sizeBytes !== sizeBytes) return `it has ${actual.sizeBytes} bytes, not ${sizeBytes}`;
  return actual.sha256 === sha256 ? undefined : 'its content has changed';
}
