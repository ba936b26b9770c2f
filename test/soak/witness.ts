import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive, type Process } from '../../src/processes/process-table.ts';
import { machineOf } from '../../src/processes/qemu.ts';
import type { AttemptView } from '../../src/protocol/api.ts';
import type { Installation } from './installation.ts';
import type { Story } from './story.ts';

const lookEveryMs = 150;
/** A look may come this long after what it sees, on a machine with much to do. */
const slackMs = 1_500;

/** From the first to the last look that saw a QEMU, in true milliseconds since 1970. */
interface Life {
  readonly vm: string;
  readonly process: Process;
  readonly fromMs: number;
  /** Null while it lives. */
  untilMs: number | null;
}

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
  readonly #offsets: { readonly atMs: number; readonly offsetMs: number }[] = [{ atMs: 0, offsetMs: 0 }];

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
    const [beganMs, againMs] = [this.#trueTime(earlier.assignedAtMs), this.#trueTime(later.assignedAtMs)];
    const life = this.#lives.find(
      ({ vm, fromMs, untilMs }) =>
        vm === earlier.vm && fromMs - slackMs <= beganMs && (untilMs ?? Number.POSITIVE_INFINITY) >= beganMs,
    );
    if (life === undefined) return;
    const isOver = life.untilMs !== null && life.untilMs <= againMs + slackMs;
    if (isOver || endedInside.has(earlier.outcome ?? '')) return;
    this.#story.violated(
      `job ${id}: attempt ${later.number} was begun on ${later.vm} while the machine of attempt ${earlier.number}, ` +
        `${earlier.vm} (QEMU ${life.process.pid}), was still there (outcome ${earlier.outcome})`,
    );
  }

  /** The true time of a stamp of the server's. */
  #trueTime(stampMs: number): number {
    for (let at = this.#offsets.length - 1; at >= 0; at -= 1) {
      const { atMs, offsetMs } = this.#offsets[at] ?? { atMs: 0, offsetMs: 0 };
      const untilMs = this.#offsets[at + 1]?.atMs ?? Number.POSITIVE_INFINITY;
      const trueMs = stampMs - offsetMs;
      if (trueMs >= atMs - slackMs && trueMs <= untilMs + slackMs) return trueMs;
    }
    return stampMs;
  }
}

/** Outcomes of attempts whose own agent said that they do not run. */
const endedInside: ReadonlySet<string> = new Set(['worker_fault', 'not_started']);
