import { randomUUID } from 'node:crypto';
import { lstat, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readProcess } from '../../src/processes/process-table.ts';

/** Things that a test has made on this machine and removes itself, unless its process is killed. */
export interface Claim {
  /** Number of the test's process; numbers are given again, so the start of the process belongs to it. */
  readonly pid: number;
  readonly startTicks: string;
  /** A temporary folder. Servers of the test have their data folders in it. */
  readonly folder: string;
  /** Id of the machines that were made without a server; null where a data folder names it. */
  readonly installationId: string | null;
}

/** Where claims are written down for the next run. Each user has a folder, since users cannot write in each other's. */
export const usualClaims = join(tmpdir(), `tidepool-test-claims-${process.getuid?.()}`);

/** Writes down what this process makes; the returned function takes it back. */
export async function claim(
  folder: string,
  installationId: string | null = null,
  claims = usualClaims,
): Promise<() => Promise<void>> {
  await mkdir(claims, { recursive: true, mode: 0o700 });
  const path = join(claims, `${process.pid}-${randomUUID()}.json`);
  const startTicks = (await readProcess(process.pid))?.startTicks ?? '';
  const made: Claim = { pid: process.pid, startTicks, folder, installationId };
  await writeFile(path, JSON.stringify(made));
  return () => rm(path, { force: true });
}

/**
 * Returns the claims of processes that have ended without taking them back, by their files. A file that is no claim is left alone,
 * and so is a folder that somebody else has made: claims say what is to be removed.
 */
export async function abandonedClaims(claims = usualClaims): Promise<Map<string, Claim>> {
  const abandoned = new Map<string, Claim>();
  const folder = await lstat(claims).catch(() => undefined);
  if (folder?.isDirectory() !== true || folder.uid !== process.getuid?.()) return abandoned;
  for (const name of await readdir(claims)) {
    const path = join(claims, name);
    const found = parse(await readFile(path, 'utf8').catch(() => ''));
    if (found === undefined || found.startTicks === '') continue;
    if ((await readProcess(found.pid))?.startTicks !== found.startTicks) abandoned.set(path, found);
  }
  return abandoned;
}

function parse(text: string): Claim | undefined {
  try {
    const { pid, startTicks, folder, installationId } = JSON.parse(text);
    if (typeof pid !== 'number' || typeof startTicks !== 'string' || typeof folder !== 'string') return undefined;
    return { pid, startTicks, folder, installationId: typeof installationId === 'string' ? installationId : null };
  } catch {
    return undefined;
  }
}
