import { createHash } from 'node:crypto';
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { defaultReserve } from '../domain/disk.ts';
import { TidepoolError } from '../domain/errors.ts';
import { absent, gone, makeFolder, readJson, writeFileDurably } from '../files/durable.ts';

const leaseSchema = z.object({
  /** Data folder of the installation; when it is gone, so is all that the lease was for. */
  dataDir: z.string(),
  images: z.array(z.string()),
  /** Names of runtimes that its VMs, jobs and services need. */
  runtimes: z.array(z.string()),
  /** When its oldest VM was made: an older disk of a runtime than that VM's may be attached to it. Null: it has none. */
  oldestVmMs: z.number().nullable(),
  /** Reserve that the installation keeps free on a disk. A lease of an earlier version, without one, has the usual reserve. */
  reserve: z.object({ minBytes: z.number(), percent: z.number() }).default(defaultReserve),
});

/**
 * What one installation needs of a cache that several may share. It lies in the cache as a file, which outlives the server, since
 * the VMs do too.
 */
export type Lease = z.output<typeof leaseSchema>;

const folder = 'leases';

/** Writes down what an installation needs, in place of what it needed before. */
export async function writeLease(cacheDir: string, lease: Lease): Promise<void> {
  await makeFolder(join(cacheDir, folder));
  const name = createHash('sha256').update(lease.dataDir).digest('hex').slice(0, 16);
  await writeFileDurably(join(cacheDir, folder, `${name}.json`), JSON.stringify(lease));
}

/** Returns the leases of all installations whose data folders are there. Error: `conflict` for one that cannot be read. */
export async function readLeases(cacheDir: string): Promise<Lease[]> {
  const leases: Lease[] = [];
  for (const name of (await readdir(join(cacheDir, folder)).catch(absent)) ?? []) {
    if (!name.endsWith('.json')) continue;
    const path = join(cacheDir, folder, name);
    const lease = leaseSchema.safeParse(await readJson(path)).data;
    // What cannot be read may name anything, so nothing is removed then.
    if (lease === undefined)
      throw new TidepoolError(
        'conflict',
        `the lease ${path} cannot be read, so nobody knows what its server needs; its server writes it again, or remove it`,
      );
    if ((await stat(lease.dataDir).catch(absent)) !== undefined) leases.push(lease);
  }
  return leases;
}

/** A server writes its lease every half a minute: one that is older than this is of a server that does not run. */
const abandonedMs = 3_600_000;

/**
 * Removes the leases of servers that do not run and whose data folders do not exist. The caller holds the cache's lock. A server that
 * has only lost sight of its data folder writes its lease again.
 */
export async function dropAbandonedLeases(cacheDir: string, nowMs: number): Promise<void> {
  for (const name of (await readdir(join(cacheDir, folder)).catch(absent)) ?? []) {
    if (!name.endsWith('.json')) continue;
    const path = join(cacheDir, folder, name);
    const lease = leaseSchema.safeParse(await readJson(path));
    const written = await stat(path).catch(gone);
    if (!lease.success || written === undefined || nowMs - written.mtimeMs < abandonedMs) continue;
    // A look that fails in any other way does not say that the folder does not exist.
    const isGone = await stat(lease.data.dataDir).then(() => false, isMissing);
    if (isGone) await rm(path, { force: true });
  }
}

function isMissing(error: NodeJS.ErrnoException): boolean {
  return error.code === 'ENOENT';
}
