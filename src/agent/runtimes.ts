import { readdir } from 'node:fs/promises';
import { TidepoolError } from '../domain/errors.ts';
import { Checker } from './checker.ts';
import type { AgentClock } from './clock.ts';
import type { AgentPaths } from './paths.ts';

/** The runtimes that are mounted in this VM, each with its compile checker. */
export class Runtimes {
  readonly #paths: AgentPaths;
  readonly #clock: AgentClock;
  readonly #checkers = new Map<string, Checker>();

  constructor(paths: AgentPaths, clock: AgentClock) {
    this.#paths = paths;
    this.#clock = clock;
  }

  /** Looks again for what is mounted. */
  async refresh(): Promise<void> {
    for (const name of await readdir(this.#paths.runtimes).catch(() => [])) {
      if (this.#checkers.has(name)) continue;
      this.#checkers.set(name, new Checker(name, this.#checkers.size, this.#paths, this.#clock));
    }
  }

  get names(): readonly string[] {
    return [...this.#checkers.keys()].sort();
  }

  /** The folder of a runtime. Error: `not_found`. */
  async find(name: string): Promise<string> {
    if (!this.#checkers.has(name)) await this.refresh();
    if (!this.#checkers.has(name)) throw new TidepoolError('not_found', `this VM has no runtime ${name}`);
    return `${this.#paths.runtimes}/${name}`;
  }

  checker(name: string): Checker {
    const checker = this.#checkers.get(name);
    if (checker === undefined) throw new TidepoolError('not_found', `this VM has no runtime ${name}`);
    return checker;
  }

  /** Starts these checkers, one after the other, so that the first jobs need not wait for theirs. Failures are logged. */
  async warmUp(names: readonly string[], log: (line: string) => void): Promise<void> {
    for (const name of names) {
      await this.#checkers
        .get(name)
        ?.warmUp()
        .catch((error: unknown) => log(`checker of ${name}: ${String(error)}`));
    }
  }
}
