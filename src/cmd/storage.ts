import type { JobsConfig } from '../config/jobs-schema.ts';
import { type StorageRules, unlimitedStorage } from '../domain/storage.ts';

/** What users may keep, from the configuration: a user's own setting, then that of all. */
export function storageRules({ limits, users, retention }: JobsConfig): StorageRules {
  const given = Object.fromEntries(Object.entries(retention).filter(([, value]) => value !== undefined));
  return {
    maxStoredBytes(user) {
      const own = Object.hasOwn(users, user) ? users[user] : undefined;
      return own?.maxStoredBytes ?? limits.maxStoredBytes;
    },
    retention: { ...unlimitedStorage.retention, ...given },
  };
}
