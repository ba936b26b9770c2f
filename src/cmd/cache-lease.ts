import { systemClock } from '../clock/system-clock.ts';
import { dropEmptyMachineFolders } from '../config/machine-folders.ts';
import { isRoot, rootMachinesDir } from '../config/paths.ts';
import type { ReserveRule } from '../domain/disk.ts';
import type { Image, Runtime } from '../domain/image.ts';
import type { Store } from '../domain/store.ts';
import { writeLease } from '../image/leases.ts';
import { defaultPruneRule, noteImageUse, noteRuntimeUse, prune } from '../image/prune.ts';
import type { JobController } from '../jobs/controller.ts';

const leaseEveryMs = 30_000;
const pruneEveryMs = 24 * 3_600_000;

/** What a lease is made of. */
export interface LeaseParts {
  readonly cacheDir: string;
  readonly dataDir: string;
  readonly image: Image;
  readonly reserve: ReserveRule;
  readonly store: Pick<Store, 'vms' | 'services'>;
  readonly runtimes: { list(): Promise<readonly Runtime[]> };
  readonly jobs: Pick<JobController, 'neededRuntimes'>;
}

/** Writes down what this installation needs of the cache, so that nobody who shares the cache removes it. */
async function renewLease({ cacheDir, dataDir, image, reserve, store, runtimes, jobs }: LeaseParts): Promise<void> {
  const byJobs = await jobs.neededRuntimes();
  // Until then the lease of the server before holds.
  if (byJobs === undefined) return;
  const vms = await store.vms.list();
  const needed = new Set(byJobs);
  for (const { name } of await store.services.list()) {
    for (const { state, spec } of await store.services.revisions(name))
      if (state === 'current' || state === 'rolling') needed.add(spec.runtime);
  }
  const madeMs = vms.map(({ createdAtMs }) => createdAtMs);
  await writeLease(cacheDir, {
    dataDir,
    images: [...new Set([image.id, ...vms.map(({ imageId }) => imageId)])].filter((id) => id !== ''),
    runtimes: [...needed],
    oldestVmMs: madeMs.length === 0 ? null : Math.min(...madeMs),
    reserve,
  });
  await noteImageUse(cacheDir, image.id, systemClock);
  const used = (await runtimes.list()).filter(({ name }) => needed.has(name));
  await noteRuntimeUse(cacheDir, used, systemClock);
}

/** Keeps the lease, and the cache within its bounds. */
export function keepCache(
  parts: LeaseParts,
  loop: (name: string, periodMs: number, step: () => Promise<void>) => void,
  log: (message: string) => void,
): void {
  loop('lease of the cache', leaseEveryMs, () => renewLease(parts));
  loop('cache', pruneEveryMs, async () => {
    const { images, runtimes } = await prune(parts.cacheDir, defaultPruneRule, systemClock);
    for (const { id } of images) log(`removed image ${id} from the cache; nothing needs it`);
    for (const { name, id } of runtimes) log(`removed the old runtime ${name} (${id}) from the cache`);
    if (isRoot()) await dropEmptyMachineFolders(rootMachinesDir, systemClock.now());
  });
}
