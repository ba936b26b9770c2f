import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive } from '../../src/processes/process-table.ts';
import { machineOf } from '../../src/processes/qemu.ts';
import type { AttemptView } from '../../src/protocol/api.ts';
import type { Installation } from './installation.ts';
import { type ClockOffset, type Life, overlapOf } from './overlap.ts';
import type { Story } from './story.ts';

const lookEveryMs = 150;
/**
 * Watches the QEMU processes of a soak from outside, and says afterwards whether two attempts of one job may have executed at
 * once: an attempt was begun while the machine of an earlier attempt of the same job was still there, and nothing had ended it
 * in there.
 */
export class Witness {
  readonly #installation: Installation;
  readonly #story: Story;
  readonly #lives: Life[] = [];
  /** Differences of the server's wall clock to the true one, each from a moment on. */
  readonly #offsets: ClockOffset[] = [{ atMs: 0, offsetMs: 0 }];

  constructor(installation: Installation, story: Story) {
    this.#installation = installation;
    this.#story = story;
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.look();
      await sleep(lookEveryMs);
    }
  }

  async look(): Promise<void> {
    const nowMs = Date.now();
    for (const life of this.#lives) {
      if (life.untilMs === null && !(await isAlive(life.process))) life.untilMs = nowMs;
    }
    for (const process of await this.#installation.machines()) {
      const isKnown = this.#lives.some(
        (life) => life.process.pid === process.pid && life.process.startTicks === process.startTicks,
      );
      const vm = machineOf(process);
      if (!isKnown && vm !== undefined) this.#lives.push({ vm, process, fromMs: nowMs, untilMs: null });
    }
  }

  noteClock(offsetMs: number): void {
    this.#offsets.push({ atMs: Date.now(), offsetMs });
  }

  get machineCount(): number {
    return this.#lives.length;
  }

  /** Compares the attempts of all jobs with what was seen. */
  check(jobs: ReadonlyMap<string, readonly AttemptView[]>): void {
    for (const [id, attempts] of jobs) {
      for (const [index, later] of attempts.entries()) {
        const earlier = attempts[index - 1];
        if (earlier !== undefined) this.#checkPair(id, earlier, later);
      }
    }
  }

  #checkPair(id: string, earlier: AttemptView, later: AttemptView): void {
    const life = overlapOf(earlier, later, this.#lives, this.#offsets);
    if (life === undefined) return;
    this.#story.violated(
      `job ${id}: attempt ${later.number} was begun on ${later.vm} while the machine of attempt ${earlier.number}, ` +
        `${earlier.vm} (QEMU ${life.process.pid}), was still there (outcome ${earlier.outcome})`,
    );
  }
}
