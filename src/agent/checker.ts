import { createHash } from 'node:crypto';
import type { SyntaxProblem } from '../protocol/agent.ts';
import { CheckerProcess } from './checker-process.ts';
import type { AgentClock } from './clock.ts';
import type { AgentPaths } from './paths.ts';

/** Larger sources are refused unread; the compiler needs about a hundred times their size. */
export const maxSourceBytes = 8 * 1024 * 1024;

/** Sources that were found right, by hash, are remembered up to so many: a script is often run again with other arguments. */
const maxRemembered = 1_000;

/** Compile checks for one runtime, one at a time, in a container that is kept between them and replaced when it ends. */
export class Checker {
  readonly #runtime: string;
  readonly #index: number;
  readonly #paths: AgentPaths;
  readonly #clock: AgentClock;
  readonly #right = new Set<string>();
  #process: CheckerProcess | undefined;
  #queue: Promise<unknown> = Promise.resolve();

  /** @param index counts the checkers of this guest from 0 */
  constructor(runtime: string, index: number, paths: AgentPaths, clock: AgentClock) {
    this.#runtime = runtime;
    this.#index = index;
    this.#paths = paths;
    this.#clock = clock;
  }

  /** Starts the container ahead of need. Error: `internal`. */
  async warmUp(): Promise<void> {
    await this.#inTurn(() => this.#started());
  }

  /** What is wrong with the source, or undefined. Error: `internal` (the checker cannot be started or does not answer). */
  async check(file: string, source: Buffer): Promise<SyntaxProblem | undefined> {
    const hash = createHash('sha256').update(source).digest('base64');
    if (this.#right.has(hash)) return undefined;
    const problem = await this.#inTurn(async () => parseAnswer(file, await (await this.#started()).check(source)));
    if (problem === undefined) this.#remember(hash);
    return problem;
  }

  #remember(hash: string): void {
    const [oldest] = this.#right;
    if (oldest !== undefined && this.#right.size >= maxRemembered) this.#right.delete(oldest);
    this.#right.add(hash);
  }

  /** Ends the container, after the check that runs. Another check would start a new one. */
  async end(): Promise<void> {
    await this.#inTurn(async () => {
      await this.#process?.end();
      this.#process = undefined;
    });
  }

  async #started(): Promise<CheckerProcess> {
    if (this.#process?.isAlive !== true) {
      this.#process = await CheckerProcess.start(this.#runtime, this.#index, this.#paths, this.#clock);
    }
    return this.#process;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(work);
    this.#queue = done.catch(() => undefined);
    return done;
  }
}

/** Reads the checker's line. It compiled a stranger's file, so nothing of it is taken for granted. */
export function parseAnswer(file: string, line: string): SyntaxProblem | undefined {
  const answer: unknown = JSON.parse(line);
  if (typeof answer !== 'object' || answer === null || !('message' in answer)) return undefined;
  const { line: row, column, message, text } = answer as Record<string, unknown>;
  return {
    file,
    line: position(row),
    column: position(column),
    message: String(message).slice(0, 400),
    text: String(text ?? '').slice(0, 400),
  };
}

function position(value: unknown): number {
  return Number.isSafeInteger(value) ? Math.max(1, Number(value)) : 1;
}
