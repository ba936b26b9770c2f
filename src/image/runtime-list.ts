import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../domain/clock.ts';
import type { Runtime } from '../domain/image.ts';
import { folders } from './cache.ts';
import { listRuntimes } from './runtime-store.ts';

/** A list is read again after this: the removal of a disk by another process does not show in the folder of all. */
const maxAgeMs = 1_000;
/** A folder that changed so short a time ago may change again without a new time. */
const unsettledMs = 100;

interface Read {
  readonly atMs: number;
  readonly changedAtNs: bigint;
  readonly runtimes: Promise<readonly Runtime[]>;
}

/**
 * The runtimes in the cache folder, the newest of each name. Pools and services ask many times a second, so the list is kept: a
 * runtime that was added, by whatever process, is in the next list; one that was removed is in it for a second at most.
 */
export class RuntimeList {
  readonly #cacheDir: string;
  readonly #clock: Clock;
  #read: Read | undefined;

  constructor(cacheDir: string, clock: Clock) {
    this.#cacheDir = cacheDir;
    this.#clock = clock;
  }

  async list(): Promise<readonly Runtime[]> {
    const changedAtNs = await this.#changedAtNs();
    const atMs = this.#clock.uptimeMs();
    const known = this.#read;
    if (known !== undefined && known.changedAtNs === changedAtNs && atMs - known.atMs < maxAgeMs) return known.runtimes;
    const read: Read = { atMs, changedAtNs, runtimes: this.#newest() };
    const isSettled = this.#clock.now() - Number(changedAtNs / 1_000_000n) > unsettledMs;
    this.#read = isSettled ? read : undefined;
    read.runtimes.catch(() => this.forget());
    return read.runtimes;
  }

  /** The next list is read anew. */
  forget(): void {
    this.#read = undefined;
  }

  async #changedAtNs(): Promise<bigint> {
    const folder = await stat(join(this.#cacheDir, folders.runtimes), { bigint: true }).catch(() => undefined);
    return folder?.mtimeNs ?? 0n;
  }

  async #newest(): Promise<readonly Runtime[]> {
    const all = await listRuntimes(this.#cacheDir);
    const names = new Set<string>();
    // The newest is first.
    return all.filter(({ name }) => !names.has(name) && names.add(name));
  }
}
