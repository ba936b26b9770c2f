import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readlink } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('./own-run.sh', import.meta.url));

/** A mount namespace in which libvirt has folders of its own. Needs root. */
export class Namespace {
  readonly #holder: ChildProcess;

  private constructor(holder: ChildProcess) {
    this.#holder = holder;
  }

  static async make(): Promise<Namespace> {
    const holder = spawn('unshare', ['--mount', 'sh', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const lines = createInterface({ input: holder.stdout });
    const [line] = await once(lines, 'line', { signal: AbortSignal.timeout(30_000) });
    if (line !== 'ready') throw new Error(`the namespace could not be made: ${line}`);
    return new Namespace(holder);
  }

  /** The command that runs the given one inside. */
  enter(command: readonly string[]): string[] {
    return ['nsenter', '--target', String(this.#holder.pid), '--mount', '--', ...command];
  }

  async contains(pid: number): Promise<boolean> {
    const of = (id: number | undefined): Promise<string> => readlink(`/proc/${id}/ns/mnt`);
    try {
      return (await of(pid)) === (await of(this.#holder.pid));
    } catch {
      // The process has ended.
      return false;
    }
  }

  /** Ends the namespace; what still runs inside must have been ended before. */
  end(): void {
    this.#holder.kill('SIGKILL');
  }
}
