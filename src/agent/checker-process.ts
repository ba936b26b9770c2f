import { spawn } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { TidepoolError } from '../domain/errors.ts';
import { Cgroup } from './cgroup.ts';
import { checkerSource } from './checker-source.ts';
import type { AgentClock } from './clock.ts';
import { containerSpec } from './container-spec.ts';
import { shellOptions } from './launcher.ts';
import { attemptCgroupSettings } from './limits.ts';
import type { AgentPaths } from './paths.ts';
import { removeTree } from './remove-tree.ts';
import { firstUidOf } from './slot.ts';
import { slotNumbers } from './slots.ts';

const MiB = 1024 * 1024;
const limits = { cpus: 1, memoryBytes: 448 * MiB, processes: 8 };
/** The child limits its own CPU time; this is for a checker that does not answer at all, on a machine that is busy. */
const answerLimitMs = 60_000;
const maxAnswerBytes = 64 * 1024;

// In its cgroup before its first instruction, or not at all.
const becomeCrun = `
echo 0 >"$4/cgroup.procs" || exit 125
exec crun --root "$3" --log "$1/log" --cgroup-manager=disabled run --config "$1/config.json" "$2"
`;

/** Exit codes of a shell that could not start crun, or of something that a signal ended. */
const notOfPython: readonly (number | null)[] = [null, 125, 126, 127];

/**
 * Why a checker did not start, when that is the runtime's own fault: an image of somebody's without a Python that runs would
 * not start one on any worker. Undefined: it is this machine's. Pure.
 * @param crunLog crun's complaints
 * @param exitCode what it ended with; null when a signal ended it
 */
export function checkerFault(runtime: string, crunLog: string, exitCode: number | null): TidepoolError | undefined {
  const isMissing = /executable file .* not found/.test(crunLog);
  const hasRun = crunLog.trim() === '' && !notOfPython.includes(exitCode) && Number(exitCode) < 128;
  if (!isMissing && !hasRun) return undefined;
  const how = isMissing ? 'has no python3' : `has a python3 that ended with ${exitCode} before it had read the script`;
  return new TidepoolError('invalid', `scripts cannot run on the runtime ${runtime}: it ${how}`);
}

/** One running compile checker (checker-source.ts) in its container. */
export class CheckerProcess {
  readonly #name: string;
  readonly #cgroup: Cgroup;
  readonly #clock: AgentClock;
  readonly #stdin: Writable;
  readonly #stdout: Readable;
  #isAlive = true;

  private constructor(fields: { name: string; cgroup: Cgroup; clock: AgentClock; stdin: Writable; stdout: Readable }) {
    this.#name = fields.name;
    this.#cgroup = fields.cgroup;
    this.#clock = fields.clock;
    this.#stdin = fields.stdin;
    this.#stdout = fields.stdout;
  }

  /**
   * Starts one for a runtime, ending one that was left. Errors: `invalid` (the runtime has no Python that runs), `internal`.
   * @param index counts the checkers of this guest from 0
   */
  static async start(runtime: string, index: number, paths: AgentPaths, clock: AgentClock): Promise<CheckerProcess> {
    const name = `checker-${runtime}`;
    const run = join(paths.run, 'checkers', runtime);
    const cgroup = new Cgroup(join(paths.cgroups, 'jobs', name));
    await cgroup.killAll(clock);
    cgroup.remove();
    cgroup.create(attemptCgroupSettings(limits, 1));
    await removeTree(join(paths.crun, name));
    await mkdir(run, { recursive: true });
    const spec = containerSpec({
      rootPath: join(paths.runtimes, runtime),
      argv: ['python3', '-I', '-S', '-c', checkerSource],
      environment: { PATH: '/usr/local/bin:/usr/bin:/bin', LANG: 'C.UTF-8' },
      firstUid: firstUidOf(slotNumbers + index),
      tmpBytes: MiB,
    });
    await writeFile(join(run, 'config.json'), JSON.stringify(spec));
    await writeFile(join(run, 'log'), '');
    const child = spawn('/bin/sh', ['-c', becomeCrun, name, run, name, paths.crun, cgroup.path], {
      ...shellOptions,
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    const { stdin, stdout } = child;
    const checker = new CheckerProcess({ name, cgroup, clock, stdin, stdout });
    const ended = (): void => {
      checker.#isAlive = false;
    };
    const exited = new Promise<number | null>((resolve) => {
      child.once('error', () => resolve(null)).once('exit', resolve);
    });
    void exited.then(ended);
    stdin.on('error', ended);
    try {
      await checker.#nextLine();
      return checker;
    } catch (error) {
      const crunLog = await readFile(join(run, 'log'), 'utf8').catch(() => '');
      throw checkerFault(runtime, crunLog, await exited) ?? error;
    }
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  /** Kills it, and returns when nothing of it is left. */
  async end(): Promise<void> {
    this.#isAlive = false;
    await this.#cgroup.killAll(this.#clock);
    this.#cgroup.remove();
  }

  /** The checker's answer to a source: one line of JSON. Error: `internal`; the checker is killed then. */
  check(source: Buffer): Promise<string> {
    const line = this.#nextLine();
    this.#stdin.write(Buffer.concat([Buffer.from(`${source.length}\n`), source]));
    return line;
  }

  async #nextLine(): Promise<string> {
    try {
      return await this.#readLine();
    } catch (error) {
      this.#isAlive = false;
      await this.#cgroup.killAll(this.#clock);
      throw error;
    }
  }

  #readLine(): Promise<string> {
    return new Promise((resolve, reject) => {
      let text = '';
      const settle = (error?: TidepoolError): void => {
        cancelLimit();
        this.#stdout.off('data', onData).off('close', onClose);
        if (error === undefined) resolve(text);
        else reject(error);
      };
      const fail = (why: string): void => settle(new TidepoolError('internal', `the compile ${this.#name} ${why}`));
      const onData = (chunk: Buffer): void => {
        text += chunk.toString();
        if (text.endsWith('\n')) settle();
        else if (text.length > maxAnswerBytes) fail('answers without end');
      };
      const onClose = (): void => fail('ended');
      const cancelLimit = this.#clock.after(answerLimitMs, () => fail('does not answer'));
      this.#stdout.on('data', onData).on('close', onClose);
      if (this.#stdout.destroyed) onClose();
    });
  }
}
