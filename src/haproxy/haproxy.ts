import { chmod, copyFile, mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Clock } from '../domain/clock.ts';
import { hasCode, TidepoolError, toTidepoolError } from '../domain/errors.ts';
import { writeFileDurably } from '../files/durable.ts';
import { processesWith, readProcess } from '../processes/process-table.ts';
import { Silence } from '../reconcile/lateness.ts';
import type { Config } from './config.ts';
import { answerLimitMs, MasterSocket, type Processes } from './master.ts';
import { runHaproxy } from './program.ts';

export interface HaproxyProcessOptions {
  /** Its own folder: made if it is not there, readable by its owner only. */
  readonly folder: string;
  readonly clock: Clock;
  /** Where commands are looked for, as in the environment's PATH. */
  readonly path: string | undefined;
  kill(pid: number, signal: 'SIGKILL'): void;
  log(message: string): void;
}

/** A HAProxy that serves. */
export interface Running {
  readonly processes: Processes;
  /** Its worker that takes new connections. */
  readonly worker: number;
  /** Of the configuration of that worker. */
  readonly fingerprint: string;
}

/** What the kernel takes as the path of a unix socket, less what HAProxy appends to it while it binds. */
const maxSocketPath = 90;
const pollMs = 20;
/** Between two looks for it, about. */
const usualPauseMs = 250;
const reloadLimitMs = 15_000;
const endLimitMs = 5_000;
/** A HAProxy that was silent for this long, while we listened, is replaced. */
const silenceLimitMs = 10_000;
/** Its silence is made of at least this many questions: one may meet a moment in which it has no worker. */
const fewestMissed = 2;

/** The one HAProxy of a folder, whoever started it: found, started, reloaded, ended. Calls must not overlap. */
export class HaproxyProcess {
  readonly master: MasterSocket;
  readonly #options: HaproxyProcessOptions;
  readonly #configFile: string;
  readonly #socketArgument: string;
  readonly #silence = new Silence({ pauseMs: usualPauseMs });
  #missed = 0;

  private constructor(options: HaproxyProcessOptions) {
    const socket = join(options.folder, 'master.sock');
    this.#options = options;
    this.#configFile = join(options.folder, 'haproxy.cfg');
    this.#socketArgument = `${socket},mode,600`;
    this.master = new MasterSocket(socket, options.clock);
  }

  /** Errors: `invalid` when the folder's path is too long for a socket, or cannot stand in a configuration. */
  static async open(options: HaproxyProcessOptions): Promise<HaproxyProcess> {
    const { folder } = options;
    if (Buffer.byteLength(join(folder, 'master.sock')) > maxSocketPath || /[^\x20-\x7e]|[',]/.test(folder))
      throw new TidepoolError('invalid', `${folder} is too long, or too unusual, for the folder of the front door`);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await chmod(folder, 0o700);
    await copyFile(fileURLToPath(new URL('./hold.lua', import.meta.url)), holdScript(folder));
    return new HaproxyProcess(options);
  }

  /**
   * What runs, or undefined when nothing of ours does. One that is there and does not answer is an error at first
   * (`unavailable`, `timeout`), and is ended when it goes on like that.
   */
  async find(): Promise<Running | undefined> {
    const { clock, log } = this.#options;
    const askedAtMs = clock.uptimeMs();
    try {
      const running = await this.#ask();
      this.#heard();
      return running;
    } catch (error) {
      const nowMs = clock.uptimeMs();
      if ((await this.#pids()).length === 0) return undefined;
      if (this.#silence.missed({ askedAtMs, nowMs, limitMs: answerLimitMs })) this.#missed += 1;
      if (this.#silence.chargedMs < silenceLimitMs || this.#missed < fewestMissed) throw error;
      log(`HAProxy has not answered for ${silenceLimitMs / 1000} s and is ended: ${toTidepoolError(error).message}`);
      await this.#endAll();
      return undefined;
    }
  }

  /** Starts it; returns when it serves. Whatever an earlier one left is ended. Errors: `unavailable`, `timeout`. */
  async start(config: Config): Promise<void> {
    await this.#endAll();
    await this.write(config);
    await this.#run('-W', '-D', '-f', this.#configFile, '-S', this.#socketArgument);
    await this.#until(
      async () => (await this.#ask()).fingerprint === config.fingerprint,
      'does not serve after its start',
    );
  }

  /**
   * Puts a new worker in place of the present one, which finishes what it has. When HAProxy refuses, all is as it was.
   * Errors: `unavailable` with the reason, `timeout`.
   */
  async reload(config: Config, { processes }: Running): Promise<void> {
    const before = await readFile(this.#configFile);
    await this.write(config);
    await this.master.run('reload').catch(() => undefined); // The master starts itself anew and may hang up on us.
    let after = processes;
    await this.#until(async () => {
      after = await this.master.processes();
      if (after.failedReloads > processes.failedReloads) return true;
      return after.reloads > processes.reloads && (await this.#ask()).fingerprint === config.fingerprint;
    }, 'does not serve after its reload');
    if (after.failedReloads === processes.failedReloads) return;
    const reason = await this.#whyRefused();
    await writeFileDurably(this.#configFile, before);
    throw new TidepoolError('unavailable', `HAProxy refused its new configuration: ${reason}`);
  }

  /** For the next start or reload. The file is whole at any moment. */
  async write({ text }: Config): Promise<void> {
    await writeFileDurably(this.#configFile, text);
  }

  /** Ends it with all that it serves. */
  async stop(): Promise<void> {
    await this.#endAll();
    await rm(this.#configFile, { force: true });
  }

  #heard(): void {
    this.#silence.answered(this.#options.clock.uptimeMs());
    this.#missed = 0;
  }

  async #ask(): Promise<Running> {
    const processes = await this.master.processes();
    const { master, worker } = processes;
    if (!(await readProcess(master))?.words.includes(this.#socketArgument))
      throw new TidepoolError('unavailable', `process ${master} answers as HAProxy, and is not the one of this folder`);
    if (worker === undefined) throw new TidepoolError('unavailable', 'HAProxy has no worker at the moment');
    const info = await this.master.run('show info', worker);
    return { processes, worker, fingerprint: /^description: tidepool (\S+)$/m.exec(info)?.[1] ?? '' };
  }

  async #whyRefused(): Promise<string> {
    try {
      await this.#run('-c', '-f', this.#configFile);
      return 'a port was taken at that moment';
    } catch (error) {
      return toTidepoolError(error).message;
    }
  }

  #run(...args: string[]): Promise<void> {
    return runHaproxy(args, this.#options.folder, this.#options.path);
  }

  /** HAProxy's master and its workers, also of an earlier run. */
  async #pids(): Promise<number[]> {
    return (await processesWith(this.#socketArgument)).map(({ pid }) => pid);
  }

  /** At once: what ends this way is either nothing that serves, or meant to end. */
  async #endAll(): Promise<void> {
    this.#heard();
    await this.#until(
      async () => {
        const pids = await this.#pids();
        for (const pid of pids) this.#end(pid);
        return pids.length === 0;
      },
      'does not end',
      endLimitMs,
    );
  }

  #end(pid: number): void {
    try {
      this.#options.kill(pid, 'SIGKILL');
    } catch (error) {
      // It ended by itself between the look and the signal.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  async #until(isDone: () => Promise<boolean>, complaint: string, limitMs = reloadLimitMs): Promise<void> {
    const { clock } = this.#options;
    const endsAtMs = clock.uptimeMs() + limitMs;
    for (;;) {
      // Looked at once more after the limit: a machine that stood still has not looked meanwhile.
      const isLast = clock.uptimeMs() > endsAtMs;
      const done = await isDone().catch((error: unknown) => {
        // While it starts it may not listen yet, or hang up.
        if (hasCode(error, 'unavailable') || hasCode(error, 'upstream')) return false;
        throw error;
      });
      if (done) return;
      if (isLast) throw new TidepoolError('timeout', `HAProxy ${complaint} (${limitMs} ms)`);
      await clock.sleep(pollMs);
    }
  }
}

/** Where the copy of the script for HAProxy lies. */
export function holdScript(folder: string): string {
  return join(folder, 'hold.lua');
}
