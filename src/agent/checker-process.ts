import { spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { TidepoolError } from '../domain/errors.ts';
import { agentSlots } from '../protocol/agent.ts';
import { Cgroup } from './cgroup.ts';
import { checkerSource } from './checker-source.ts';
import type { AgentClock } from './clock.ts';
import { containerSpec } from './container-spec.ts';
import { shellOptions } from './launcher.ts';
import { attemptCgroupSettings } from './limits.ts';
import type { AgentPaths } from './paths.ts';
import { removeTree } from './remove-tree.ts';
import { firstUidOf } from './slot.ts';

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

  /** Starts one for a runtime, ending one that was left. @param index counts the checkers of this guest from 0 */
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
      firstUid: firstUidOf(agentSlots + index),
      tmpBytes: MiB,
    });
    await writeFile(join(run, 'config.json'), JSON.stringify(spec));
    const child = spawn('/bin/sh', ['-c', becomeCrun, name, run, name, paths.crun, cgroup.path], {
      ...shellOptions,
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    const { stdin, stdout } = child;
    const checker = new CheckerProcess({ name, cgroup, clock, stdin, stdout });
    const ended = (): void => {
      checker.#isAlive = false;
    };
    child.once('error', ended).once('exit', ended);
    stdin.on('error', ended);
    await checker.#nextLine();
    return checker;
  }

  get isAlive(): boolean {
    return this.#isAlive;
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
