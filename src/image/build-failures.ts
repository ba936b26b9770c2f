import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Clock } from '../domain/clock.ts';
import { makeFolder, readJson, writeFileDurably } from '../files/durable.ts';
import { Backoff } from '../reconcile/backoff.ts';

const noteSchema = z.object({ failures: z.int().min(1), waitMs: z.number().min(0), text: z.string() });

const folder = 'failed-builds';
/** A build takes minutes of all processors, and what made it fail seldom passes within a moment. */
const pauses = { firstPauseMs: 60_000, longestPauseMs: 900_000 };

interface Failing {
  readonly backoff: Backoff;
  /** Why the last one failed; undefined when none has. */
  text: string | undefined;
}

/**
 * Pauses between builds of a runtime that fail. They are kept in the cache, since a server that is started again and again would else
 * build all the time. The time for which no server ran counts for nothing.
 */
export class BuildFailures {
  readonly #cacheDir: string;
  readonly #clock: Clock;
  readonly #log: (message: string) => void;
  readonly #failing = new Map<string, Promise<Failing>>();

  constructor(cacheDir: string, clock: Clock, log: (message: string) => void) {
    this.#cacheDir = cacheDir;
    this.#clock = clock;
    this.#log = log;
  }

  /** Returns why a build must not begin now; undefined when it may. @param name of a built-in runtime */
  async whyNot(name: string): Promise<string | undefined> {
    const { backoff, text } = await this.#of(name);
    const waitMs = backoff.waitMs(this.#clock.uptimeMs());
    return waitMs > 0 ? `${text}; it is tried again in ${Math.ceil(waitMs / 1_000)} s` : undefined;
  }

  async failed(name: string, text: string): Promise<void> {
    const failing = await this.#of(name);
    failing.text = text;
    const waitMs = Math.round(failing.backoff.failed(this.#clock.uptimeMs()));
    const note = { failures: failing.backoff.failures, waitMs, text };
    await this.#keep(name, async () => {
      await makeFolder(join(this.#cacheDir, folder), 0o755);
      await writeFileDurably(this.#path(name), JSON.stringify(note));
    });
  }

  async succeeded(name: string): Promise<void> {
    (await this.#of(name)).backoff.succeeded();
    await this.#keep(name, () => rm(this.#path(name), { force: true }));
  }

  #of(name: string): Promise<Failing> {
    const known = this.#failing.get(name);
    if (known !== undefined) return known;
    const read = this.#read(name);
    this.#failing.set(name, read);
    read.catch(() => this.#failing.delete(name));
    return read;
  }

  async #read(name: string): Promise<Failing> {
    const backoff = new Backoff(`building ${name}`, pauses);
    const note = noteSchema.safeParse(await readJson(this.#path(name))).data;
    if (note !== undefined) backoff.restore(note.failures, note.waitMs, this.#clock.uptimeMs());
    return { backoff, text: note?.text };
  }

  #path(name: string): string {
    return join(this.#cacheDir, folder, `${name}.json`);
  }

  /** A cache in which nothing can be written has builds fail anyway. */
  async #keep(name: string, work: () => Promise<void>): Promise<void> {
    await work().catch((error: unknown) => this.#log(`the failed build of ${name} cannot be noted: ${String(error)}`));
  }
}
