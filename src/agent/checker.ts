import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { TidepoolError } from '../domain/errors.ts';
import type { SyntaxProblem } from '../protocol/agent.ts';
import { Cgroup } from './cgroup.ts';
import { checkerSource } from './checker-source.ts';
import type { AgentClock } from './clock.ts';
import { containerSpec } from './container-spec.ts';
import { type Launcher, startLauncher } from './launcher.ts';
import { attemptCgroupSettings } from './limits.ts';
import type { AgentPaths } from './paths.ts';
import { removeTree } from './remove-tree.ts';
import { firstUidOf, maxSlots } from './slot.ts';

const MiB = 1024 * 1024;
/** Larger sources are refused unread; the compiler needs about a hundred times their size. */
export const maxSourceBytes = 8 * MiB;
/** The child limits its own CPU time; this is for a checker that does not answer at all, on a machine that is busy. */
const answerLimitMs = 60_000;
const limits = { cpus: 1, memoryBytes: 448 * MiB, processes: 8 };

const becomeCrun = `exec crun --root "$1/crun" --log "$1/log" --cgroup-manager=disabled run --config "$1/config.json" "$2"`;

/** Compile checks for one runtime, one at a time, in a container that is kept between them. */
export class Checker {
  readonly #runtime: string;
  readonly #index: number;
  readonly #paths: AgentPaths;
  readonly #clock: AgentClock;
  #running: Promise<RunningChecker> | undefined;
  #queue: Promise<unknown> = Promise.resolve();

  /** @param index counts the checkers of this guest from 0 */
  constructor(runtime: string, index: number, paths: AgentPaths, clock: AgentClock) {
    this.#runtime = runtime;
    this.#index = index;
    this.#paths = paths;
    this.#clock = clock;
  }

  /** Starts the container ahead of need. Errors: `internal`. */
  async warmUp(): Promise<void> {
    await this.#started();
  }

  /** What is wrong with the source, or undefined. Errors: `internal` (the checker cannot be started or does not answer). */
  check(file: string, source: Buffer): Promise<SyntaxProblem | undefined> {
    const check = this.#queue.then(() => this.#checkNow(file, source));
    this.#queue = check.catch(() => undefined);
    return check;
  }

  async #checkNow(file: string, source: Buffer): Promise<SyntaxProblem | undefined> {
    const checker = await this.#started();
    const stopWaiting = this.#clock.after(answerLimitMs, () => checker.lines.close());
    try {
      checker.launcher.process.stdin?.write(`${source.length}\n`);
      checker.launcher.process.stdin?.write(source);
      return parseAnswer(file, await nextLine(checker.lines, this.#runtime));
    } catch (error) {
      await this.#stop(checker);
      throw error;
    } finally {
      stopWaiting();
    }
  }

  #started(): Promise<RunningChecker> {
    this.#running ??= this.#start().catch((error: unknown) => {
      this.#running = undefined;
      throw error;
    });
    return this.#running;
  }

  async #start(): Promise<RunningChecker> {
    const id = `checker-${this.#runtime}`;
    const run = join(this.#paths.run, 'checkers', this.#runtime);
    const cgroup = new Cgroup(join(this.#paths.cgroups, 'jobs', id));
    await cgroup.killAll(this.#clock);
    cgroup.remove();
    cgroup.create(attemptCgroupSettings(limits, 1));
    await removeTree(join(run, 'crun'));
    const launcher = await startLauncher('mkdir -p "$1"', becomeCrun, [run, id]);
    cgroup.add(launcher.pid);
    const spec = containerSpec({
      rootPath: join(this.#paths.runtimes, this.#runtime),
      argv: ['python3', '-I', '-S', '-c', checkerSource],
      environment: { PATH: '/usr/local/bin:/usr/bin:/bin', LANG: 'C.UTF-8' },
      firstUid: firstUidOf(maxSlots + this.#index),
      tmpBytes: MiB,
    });
    await writeFile(join(run, 'config.json'), JSON.stringify(spec));
    const { stdout, stdin, stderr } = launcher.process;
    if (stdout === null || stdin === null) throw new TidepoolError('internal', `${id} has no pipes`);
    stderr?.resume();
    const lines = createInterface({ input: stdout });
    stdin.write('\n');
    const checker = { launcher, lines, cgroup };
    try {
      await nextLine(lines, this.#runtime);
    } catch (error) {
      await this.#stop(checker);
      throw error;
    }
    return checker;
  }

  async #stop(checker: RunningChecker): Promise<void> {
    this.#running = undefined;
    checker.lines.close();
    await checker.cgroup.killAll(this.#clock);
  }
}

interface RunningChecker {
  readonly launcher: Launcher;
  readonly lines: Interface;
  readonly cgroup: Cgroup;
}

function nextLine(lines: Interface, runtime: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const onClose = (): void => {
      lines.off('line', onLine);
      reject(new TidepoolError('internal', `the compile checker of runtime ${runtime} does not answer`));
    };
    const onLine = (line: string): void => {
      lines.off('close', onClose);
      resolve(line);
    };
    lines.once('line', onLine);
    lines.once('close', onClose);
  });
}

/** The checker compiled a stranger's file, so its answer is read with care. */
export function parseAnswer(file: string, line: string): SyntaxProblem | undefined {
  const answer: unknown = JSON.parse(line);
  if (typeof answer !== 'object' || answer === null || !('message' in answer)) return undefined;
  const { line: row, column, message, text } = answer as Record<string, unknown>;
  return {
    file,
    line: Number.isSafeInteger(row) ? Number(row) : 1,
    column: Number.isSafeInteger(column) ? Number(column) : 1,
    message: String(message),
    text: String(text ?? ''),
  };
}
