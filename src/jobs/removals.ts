import type { AgentAddress, AgentLink } from '../domain/agent-link.ts';
import type { Clock } from '../domain/clock.ts';
import { toTidepoolError } from '../domain/errors.ts';

const gatherMs = 1_000;

interface RemovalsParts {
  readonly link: Pick<AgentLink, 'remove'>;
  readonly clock: Clock;
  /** A VM's agent; undefined when there is nothing of it left to remove. */
  find(vmName: string): Promise<AgentAddress | undefined>;
  log(message: string): void;
}

/**
 * Tells agents which attempts they may forget: those of a second at a time, since a request costs a VM without KVM as
 * much as a part of a short job. What is not told, because the VM or this process ends, is found by the sweep.
 */
export class Removals {
  readonly #parts: RemovalsParts;
  readonly #signal: AbortSignal;
  /** Attempt ids by VM. */
  readonly #waiting = new Map<string, string[]>();

  /** @param signal ends it */
  constructor(parts: RemovalsParts, signal: AbortSignal) {
    this.#parts = parts;
    this.#signal = signal;
  }

  /** @param vmName null: of no VM, so there is nothing to remove */
  add(vmName: string | null, attemptId: string): void {
    if (vmName === null) return;
    const waiting = this.#waiting.get(vmName);
    if (waiting !== undefined) {
      waiting.push(attemptId);
      return;
    }
    this.#waiting.set(vmName, [attemptId]);
    this.#parts.clock.after(gatherMs, () => void this.#remove(vmName));
  }

  async #remove(vmName: string): Promise<void> {
    const { find, link, log } = this.#parts;
    const ids = this.#waiting.get(vmName) ?? [];
    this.#waiting.delete(vmName);
    if (this.#signal.aborted) return;
    try {
      const agent = await find(vmName);
      if (agent !== undefined) await link.remove(agent, ids);
    } catch (error) {
      log(`leftovers of ${ids.join(', ')} stay on ${vmName} until the next sweep: ${toTidepoolError(error).message}`);
    }
  }
}
