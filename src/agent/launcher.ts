import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { TidepoolError } from '../domain/errors.ts';

const maxComplaintChars = 1_000;
/** How this agent starts a shell: it inherits nothing of the agent's. */
export const shellOptions = {
  cwd: '/',
  env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' },
} as const;

/**
 * A shell that stays and carries out one command after the other. Under emulation a new process of this agent costs 20 to
 * 50 ms; a small shell forks in a few.
 *
 * Its script says `ready`, then reads lines from stdin, and answers each with a line that is a number: what the command
 * ended with. It ends when its stdin does, which is also when the agent dies.
 */
export class Launcher {
  readonly #process: ChildProcessByStdio<Writable, Readable, Readable>;
  #answer: { resolve(line: string): void; reject(error: TidepoolError): void } | undefined;
  #said = '';
  #complaint = '';
  #isAlive = true;

  private constructor(script: string, args: readonly string[]) {
    this.#process = spawn('/bin/sh', ['-c', script, 'launcher', ...args], {
      ...shellOptions,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#process.stdin.on('error', () => undefined); // It died: `close` tells.
    this.#process.stdout.on('data', (chunk) => this.#hear(String(chunk)));
    this.#process.stderr.on('data', (chunk) => {
      this.#complaint = (this.#complaint + String(chunk)).slice(-maxComplaintChars);
    });
    this.#process.once('error', () => this.#end());
    this.#process.once('close', () => this.#end());
  }

  /**
   * Resolves when it is ready for a command. Error: `internal`.
   * @param args `$1` and so on
   */
  static async start(script: string, args: readonly string[]): Promise<Launcher> {
    const launcher = new Launcher(script, args);
    await launcher.#nextLine();
    return launcher;
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  /** Carries out one command; not to be called while another runs. @returns the number it answers. Error: `internal` */
  async run(line: string): Promise<number> {
    const answer = this.#nextLine();
    this.#process.stdin.write(`${line}\n`);
    return Number(await answer);
  }

  /** The process of the command that runs, or undefined. */
  get running(): number | undefined {
    const { pid } = this.#process;
    try {
      const [child = ''] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ');
      return child === '' ? undefined : Number(child);
    } catch {
      return undefined;
    }
  }

  /** Lets it end. */
  end(): void {
    this.#process.stdin.end();
  }

  #nextLine(): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#answer = { resolve, reject };
      if (!this.#isAlive) this.#end();
    });
  }

  #hear(text: string): void {
    this.#said += text;
    const end = this.#said.indexOf('\n');
    if (end < 0) return;
    const line = this.#said.slice(0, end);
    this.#said = this.#said.slice(end + 1);
    this.#answer?.resolve(line);
    this.#answer = undefined;
  }

  #end(): void {
    this.#isAlive = false;
    const why = this.#complaint.trim() || 'its shell ended';
    this.#answer?.reject(new TidepoolError('internal', `a container slot cannot be used: ${why}`));
    this.#answer = undefined;
  }
}
