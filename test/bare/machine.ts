import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { RunCommand } from '../../src/image/command.ts';
import { bareTar, unpackRoot } from './root.ts';

const enterScript = fileURLToPath(new URL('enter.sh', import.meta.url));
const repository = fileURLToPath(new URL('../..', import.meta.url));
/** Large, and on disk by the File Hierarchy Standard. */
const parent = '/var/tmp';
const prefix = 'tidepool-bare-';
/** Where the clone is in the bare root. */
const checkout = '/srv/tidepool';
const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** A command that runs in the bare machine. */
export interface BareCommand {
  /** Resolves with the exit code. */
  readonly ended: Promise<number | null>;
  /** Everything that it printed so far. */
  readonly output: () => string;
  /** Resolves when a line fits; rejects when the command ends before one does. */
  readonly line: (pattern: RegExp) => Promise<string>;
}

/** A bare Debian in namespaces of its own: files, processes, host name. It shares this machine's network and nothing else. */
export class BareMachine implements AsyncDisposable {
  /** Folder of its root, outside. */
  readonly root: string;
  readonly #folder: string;
  readonly #holder: ChildProcessWithoutNullStreams;
  readonly #pid: number;
  readonly #environment: Record<string, string>;
  readonly #log: (line: string) => void;

  private constructor(fields: {
    folder: string;
    holder: ChildProcessWithoutNullStreams;
    pid: number;
    environment: Record<string, string>;
    log: (line: string) => void;
  }) {
    this.#folder = fields.folder;
    this.root = join(fields.folder, 'root');
    this.#holder = fields.holder;
    this.#pid = fields.pid;
    this.#environment = fields.environment;
    this.#log = fields.log;
  }

  /** Makes one with a fresh clone of what is committed here. */
  static async make(cacheDir: string, run: RunCommand, log: (line: string) => void): Promise<BareMachine> {
    const tar = await bareTar(cacheDir, run, log);
    await sweep();
    const folder = await mkdtemp(join(parent, `${prefix}${process.pid}-`));
    const root = join(folder, 'root');
    try {
      const environment = await unpackRoot(tar, root, run);
      await freshClone(join(root, checkout), run);
      const holder = spawn('unshare', [
        ...['--mount', '--propagation=private', '--uts', '--ipc', '--pid', '--fork', '--kill-child'],
        ...['sh', enterScript, root],
      ]);
      return new BareMachine({ folder, holder, pid: await entered(holder), environment, log });
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** Starts a command in the checkout. Its output is logged line by line. */
  start(...command: readonly string[]): BareCommand {
    const environment = { PATH: path, HOME: '/root', LANG: 'C.UTF-8', TIDEPOOL_BARE: '1', ...this.#environment };
    const settings = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
    const child = spawn('nsenter', [
      ...[`--target=${this.#pid}`, '--mount', '--uts', '--ipc', '--pid', `--root=/proc/${this.#pid}/root`],
      ...[`--wd=/proc/${this.#pid}/root${checkout}`, 'env', '-i', ...settings, ...command],
    ]);
    let output = '';
    const waiting: { pattern: RegExp; resolve: (line: string) => void; reject: (error: Error) => void }[] = [];
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        output += `${line}\n`;
        this.#log(`  ${line}`);
        for (const { pattern, resolve } of waiting) if (pattern.test(line)) resolve(line);
      });
    }
    const ended = new Promise<number | null>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code) => {
        for (const { reject: refuse } of waiting)
          refuse(new Error(`${command.join(' ')} ended with ${code}:\n${output}`));
        resolve(code);
      });
    });
    return {
      ended,
      output: () => output,
      line: (pattern) => new Promise((resolve, reject) => waiting.push({ pattern, resolve, reject })),
    };
  }

  /** Runs a command to its end; error when it fails. Gives what it printed. */
  async run(...command: readonly string[]): Promise<string> {
    const running = this.start(...command);
    const code = await running.ended;
    if (code !== 0) throw new Error(`${command.join(' ')} ended with ${code}`);
    return running.output();
  }

  /** Commands of the processes that run in it, but for its first one. */
  async processes(): Promise<string[]> {
    const namespace = await readFile(`/proc/${this.#pid}/status`, 'utf8');
    if (!/^NSpid:\t\d+\t/m.test(namespace)) throw new Error('the bare machine has no process namespace of its own');
    const listing = this.start('sh', '-c', 'for p in /proc/[0-9]*; do tr "\\0" " " <"$p/cmdline"; echo; done');
    await listing.ended;
    return listing
      .output()
      .split('\n')
      .filter((line) => line.trim() !== '' && !/^(perl -e|sh -c for p|tr )/.test(line));
  }

  /** Ends everything in it and removes it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** Ends everything in it and leaves its files. */
  async end(): Promise<void> {
    if (this.#holder.exitCode !== null || this.#holder.signalCode !== null) return;
    const closed = once(this.#holder, 'close');
    // The kernel ends a process namespace with its first process, and the mounts with the last process that sees them.
    process.kill(this.#pid, 'SIGKILL');
    await closed;
  }
}

/** What is committed here; of a checkout without git, its files without the npm packages. */
async function freshClone(target: string, run: RunCommand): Promise<void> {
  if (existsSync(join(repository, '.git'))) {
    // The checkout may belong to somebody else than root.
    const trusted = ['-c', 'safe.directory=*'];
    await run({ program: 'git', args: [...trusted, 'clone', '--quiet', '--no-hardlinks', repository, target] });
    return;
  }
  for (const name of await readdir(repository)) {
    if (name.startsWith('node_modules')) continue;
    await cp(join(repository, name), join(target, name), { recursive: true, verbatimSymlinks: true });
  }
}

/** Removes what runs that were killed have left: the process in the name of a folder is gone. */
async function sweep(): Promise<void> {
  for (const name of await readdir(parent)) {
    const pid = name.startsWith(prefix) ? name.slice(prefix.length).split('-')[0] : undefined;
    if (pid !== undefined && !existsSync(`/proc/${pid}`))
      await rm(join(parent, name), { recursive: true, force: true });
  }
}

/** The first process of the namespaces, when it has made them its own. */
async function entered(holder: ChildProcessWithoutNullStreams): Promise<number> {
  let complaint = '';
  holder.stderr.on('data', (text) => {
    complaint += String(text);
  });
  const [first] = await Promise.race([once(createInterface({ input: holder.stdout }), 'line'), once(holder, 'close')]);
  if (first !== 'entered') throw new Error(`the bare machine cannot be entered: ${complaint}`);
  const children = await readFile(`/proc/${holder.pid}/task/${holder.pid}/children`, 'utf8');
  return Number(children.trim());
}
