import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../domain/clock.ts';
import type { Runtime } from '../domain/image.ts';
import { folders } from './cache.ts';
import { type KeptRuntime, readRuntimes } from './runtime-store.ts';

/** A list is read again after this: the removal of a disk by another process does not show in the folder of all. */
const maxAgeMs = 1_000;
/** A folder that changed so short a time ago may change again without a new time. */
const unsettledMs = 100;

interface Kept {
  /** The newest whole one of each name. */
  readonly runtimes: readonly Runtime[];
  /** The newest runtime of each name that has no whole one. */
  readonly others: ReadonlyMap<string, Exclude<KeptRuntime, { state: 'whole' }>>;
}

interface Read {
  readonly atMs: number;
  readonly changedAtNs: bigint;
  readonly kept: Promise<Kept>;
}

/**
 * The runtimes in the cache folder, the newest of each name. Pools and services ask many times a second, so the list is kept: a
 * runtime that was added, by whatever process, is in the next list; one that was removed is in it for a second at most. A folder that
 * cannot be read any more says nothing of what is in it: until it can, the list is the last one that was read.
 */
export class RuntimeList {
  readonly #cacheDir: string;
  readonly #clock: Clock;
  #read: Read | undefined;
  #last: readonly Runtime[] | undefined;

  constructor(cacheDir: string, clock: Clock) {
    this.#cacheDir = cacheDir;
    this.#clock = clock;
  }

  /** Error: `unavailable` when the folder could not be read yet. */
  async list(): Promise<readonly Runtime[]> {
    try {
      this.#last = (await this.#kept()).runtimes;
    } catch (error) {
      if (this.#last === undefined) throw error;
    }
    return this.#last;
  }

  /** Returns the newest runtime of each name that has no whole one. Error: `unavailable` while the folder cannot be read. */
  async others(): Promise<Kept['others']> {
    return (await this.#kept()).others;
  }

  async #kept(): Promise<Kept> {
    const changedAtNs = await this.#changedAtNs();
    const atMs = this.#clock.uptimeMs();
    const known = this.#read;
    if (known !== undefined && known.changedAtNs === changedAtNs && atMs - known.atMs < maxAgeMs) return known.kept;
    const read: Read = { atMs, changedAtNs, kept: this.#newest() };
    const isSettled = this.#clock.now() - Number(changedAtNs / 1_000_000n) > unsettledMs;
    this.#read = isSettled ? read : undefined;
    read.kept.catch(() => this.forget());
    return read.kept;
  }

  /** The next list is read anew. */
  forget(): void {
    this.#read = undefined;
  }

  async #changedAtNs(): Promise<bigint> {
    const folder = await stat(join(this.#cacheDir, folders.runtimes), { bigint: true }).catch(() => undefined);
    return folder?.mtimeNs ?? 0n;
  }

  async #newest(): Promise<Kept> {
    const all = await readRuntimes(this.#cacheDir);
    const runtimes = new Map<string, Runtime>();
    const others = new Map<string, Exclude<KeptRuntime, { state: 'whole' }>>();
    // The newest is first.
    for (const one of all) {
      if (one.state === 'whole') {
        if (!runtimes.has(one.name)) runtimes.set(one.name, one.runtime);
      } else if (!others.has(one.name)) others.set(one.name, one);
    }
    for (const name of runtimes.keys()) others.delete(name);
    return { runtimes: [...runtimes.values()], others };
  }
}
