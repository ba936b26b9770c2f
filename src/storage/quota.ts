import type { StoredBlob } from '../domain/blob-store.ts';
import { TidepoolError } from '../domain/errors.ts';
import type { StorageRules } from '../domain/storage.ts';
import type { Store } from '../domain/store.ts';

interface Parts {
  readonly store: Pick<Store, 'storage'>;
  readonly rules: Pick<StorageRules, 'maxStoredBytes'>;
}

/** Refuses what would be more than a user may keep. Error: `exhausted`, with the numbers. */
export async function checkQuota(parts: Parts, owner: string, adding: readonly StoredBlob[]): Promise<void> {
  const allowed = parts.rules.maxStoredBytes(owner);
  if (!Number.isFinite(allowed)) return;
  const used = await parts.store.storage.usedBytes(owner, []);
  const wanted = adding.length === 0 ? used : await parts.store.storage.usedBytes(owner, adding);
  if (wanted <= allowed) return;
  const details = { limit: 'maxStoredBytes', allowed, used, asked: wanted - used };
  const more = wanted > used ? `, and ${wanted - used} more were sent` : '';
  throw new TidepoolError(
    'exhausted',
    `${owner}'s jobs keep ${used} bytes of ${allowed} that are allowed${more}; delete jobs that are not needed any more`,
    { details },
  );
}

/** Bytes that a user may still add. Infinity is no limit. */
export async function bytesLeft({ store, rules }: Parts, owner: string): Promise<number> {
  const allowed = rules.maxStoredBytes(owner);
  return Number.isFinite(allowed) ? Math.max(0, allowed - (await store.storage.usedBytes(owner, []))) : allowed;
}
