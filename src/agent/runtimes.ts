import { readdir } from 'node:fs/promises';
import { TidepoolError } from '../domain/errors.ts';
import { Checker } from './checker.ts';
import type { AgentClock } from './clock.ts';
import type { AgentPaths } from './paths.ts';

interface Known {
  readonly checker: Checker;
  /** Lowest number that no other checker has: it stands for the users of its container. */
  readonly index: number;
  /** Number of attempts that run on it, or whose files arrive. */
  uses: number;
}

/** A runtime that somebody uses: it stays until `end` is called. */
export interface RuntimeUse {
  /** Its folder. */
  readonly path: string;
  readonly checker: Checker;
  end(): void;
}

/** The runtimes that are mounted on this machine, each with its compile checker. */
export class Runtimes {
  readonly #paths: AgentPaths;
  readonly #clock: AgentClock;
  readonly #known = new Map<string, Known>();
  /** Names that are being dropped, although their folders are there still. */
  readonly #leaving = new Set<string>();

  constructor(paths: AgentPaths, clock: AgentClock) {
    this.#paths = paths;
    this.#clock = clock;
  }

  /** Looks again for what is mounted. */
  async refresh(): Promise<void> {
    for (const name of await readdir(this.#paths.runtimes).catch(() => [])) {
      if (this.#known.has(name) || this.#leaving.has(name)) continue;
      const index = this.#freeIndex();
      const checker = new Checker(name, index, this.#paths, this.#clock);
      this.#known.set(name, { checker, index, uses: 0 });
    }
  }

  get names(): readonly string[] {
    return [...this.#known.keys()].sort();
  }

  /** The folder of a runtime. Error: `not_found`. */
  async find(name: string): Promise<string> {
    const use = await this.use(name);
    use.end();
    return use.path;
  }

  /** Keeps a runtime from being dropped until the use ends. Error: `not_found`. */
  async use(name: string): Promise<RuntimeUse> {
    if (!this.#known.has(name)) await this.refresh();
    const known = this.#known.get(name);
    if (known === undefined) throw new TidepoolError('not_found', `this VM has no runtime ${name}`);
    known.uses += 1;
    let isOver = false;
    const end = (): void => {
      if (!isOver) known.uses -= 1;
      isOver = true;
    };
    return { path: `${this.#paths.runtimes}/${name}`, checker: known.checker, end };
  }

  /**
   * Gives a runtime up that nobody uses: from now on it is none of this machine's, and nothing of ours runs on it. Then `remove`
   * takes its folder away. Returns false, and does nothing, while somebody uses it.
   */
  async drop(name: string, remove: () => Promise<void>): Promise<boolean> {
    const known = this.#known.get(name);
    if (known !== undefined && known.uses > 0) return false;
    this.#known.delete(name);
    this.#leaving.add(name);
    try {
      await known?.checker.end();
      await remove();
    } finally {
      this.#leaving.delete(name);
    }
    return true;
  }

  /** Starts these checkers, one after the other, so that the first jobs need not wait for theirs. Failures are logged. */
  async warmUp(names: readonly string[], log: (line: string) => void): Promise<void> {
    for (const name of names) {
      await this.#known
        .get(name)
        ?.checker.warmUp()
        .catch((error: unknown) => log(`checker of ${name}: ${String(error)}`));
    }
  }

  #freeIndex(): number {
    const taken = new Set([...this.#known.values()].map(({ index }) => index));
    let index = 0;
    while (taken.has(index)) index += 1;
    return index;
  }
}
