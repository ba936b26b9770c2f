import { setTimeout as sleep } from 'node:timers/promises';
import type { Fault, FaultContext } from './fault.ts';
import { guestFaults } from './guest-faults.ts';
import { operatorFaults } from './operator-faults.ts';
import type { SoakOptions } from './options.ts';
import { processFaults } from './process-faults.ts';
import { roomFaults } from './room-faults.ts';

const mostAtOnce = 3;
const allFaults: readonly Fault[] = [...processFaults, ...guestFaults, ...roomFaults, ...operatorFaults];

/** Makes random faults, at most three at one time, and counts them. */
export class FaultMaker {
  readonly #everyMs: number;
  readonly #context: FaultContext;
  readonly #possible: readonly Fault[];
  readonly #underWay = new Set<{ readonly group: string; readonly ended: Promise<void> }>();
  /** Number of faults that were made, by kind. A fault that found nothing to harm is not counted. */
  readonly made = new Map<string, number>();

  constructor({ only, everyMs }: SoakOptions, context: FaultContext) {
    this.#everyMs = everyMs;
    this.#context = context;
    this.#possible = allFaults.filter((fault) => {
      if (only.length > 0 && !only.includes(fault.name)) return false;
      const is = fault.isPossible(context);
      if (is !== true) context.story.say(`no ${fault.name}: ${is}`);
      return is === true;
    });
    if (this.#possible.length === 0) throw new Error(`no fault is named ${only.join(' or ')}`);
  }

  /** Makes faults for this time, or until the signal fires, and resolves when the last one is over. */
  async run(forMs: number, stopping: AbortSignal): Promise<void> {
    const endMs = performance.now() + forMs;
    while (performance.now() < endMs && !stopping.aborted) {
      await sleep(this.#everyMs * (0.2 + 1.6 * this.#context.random.next()), undefined, { signal: stopping }).catch(
        () => undefined,
      );
      if (stopping.aborted) break;
      if (this.#underWay.size < mostAtOnce) this.#begin(this.#choose());
    }
    await Promise.all([...this.#underWay].map(({ ended }) => ended));
  }

  #choose(): Fault | undefined {
    const busy = new Set([...this.#underWay].map(({ group }) => group));
    const free = this.#possible.filter((fault) => fault.group === '' || !busy.has(fault.group));
    let at = this.#context.random.next() * free.reduce((sum, { weight }) => sum + weight, 0);
    return free.find(({ weight }) => {
      at -= weight;
      return at < 0;
    });
  }

  #begin(fault: Fault | undefined): void {
    if (fault === undefined) return;
    const { story } = this.#context;
    story.note(`begin ${fault.name}`);
    const ended = fault
      .make(this.#context)
      .then((what) => {
        if (what === undefined) return story.note(`${fault.name}: there was nothing to do it to`);
        this.made.set(fault.name, (this.made.get(fault.name) ?? 0) + 1);
        story.say(what);
      })
      .catch((error: unknown) => story.note(`${fault.name} could not be made: ${error}`))
      .then(() => void this.#underWay.delete(one));
    const one = { group: fault.group, ended };
    this.#underWay.add(one);
  }
}
