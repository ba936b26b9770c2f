import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { toTidepoolError } from '../domain/errors.ts';
import type { PortRecord } from './metadata.ts';
import type { Environment } from './socket-paths.ts';

const script = fileURLToPath(new URL('backlog.pl', import.meta.url));
const backlog = 1_024;
const limitMs = 10_000;

/**
 * Lets connections to QEMU's forwarded ports wait to be taken. Its user network listens with room for one (libslirp's
 * socket.c, `listen(s, 1)`): of those that come together most are dropped, and their senders' kernels try again after 1, 3, 7
 * and 15 seconds. Perl, because Node cannot have the socket of another process, and every Debian has perl-base.
 */
export class Backlogs {
  readonly #env: Environment;
  readonly #log: (message: string) => void;
  #hasComplained = false;

  /** @param env to find Perl by its PATH */
  constructor(env: Environment, log: (message: string) => void) {
    this.#env = env;
    this.#log = log;
  }

  /** To be called when QEMU runs. It may not be allowed to an ordinary user (Yama); that is logged, once. */
  async widen(ports: readonly PortRecord[]): Promise<void> {
    const wanted = ports.flatMap(({ protocol, hostPort }) =>
      protocol === 'tcp' && hostPort !== null ? [String(hostPort)] : [],
    );
    if (wanted.length === 0) return;
    try {
      const options = { timeout: limitMs, env: { ...this.#env, LC_ALL: 'C' } };
      const { stdout } = await promisify(execFile)('perl', [script, String(backlog), ...wanted], options);
      const done = stdout.split('\n');
      const missed = wanted.filter((port) => !done.includes(port));
      if (missed.length > 0) this.#complain(`no QEMU listens on port ${missed.join(', ')} here`);
    } catch (error) {
      this.#complain(toTidepoolError(error).message.trim());
    }
  }

  #complain(why: string): void {
    if (!this.#hasComplained) {
      this.#log(`connections to VMs that come together may take seconds: the backlog of QEMU's ports stays 1 (${why})`);
    }
    this.#hasComplained = true;
  }
}
