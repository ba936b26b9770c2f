import type { Clock } from '../domain/clock.ts';
import { Backoffs } from '../reconcile/backoff.ts';
import type { StepKind } from './steer.ts';

/** VMs whose failed steps are remembered. */
const mostNames = 10_000;

/**
 * The pool's steps under way, in the background, at most one a VM. A step that failed is not begun again before its
 * backoff has passed, and wakes nobody: the next look finds what is still to be done.
 */
export class Steps {
  readonly #underWay = new Map<string, { readonly kind: StepKind; readonly ended: Promise<void> }>();
  readonly #backoffs = new Backoffs(mostNames);
  readonly #clock: Clock;
  readonly #onEnd: (name: string, kind: StepKind) => void;
  readonly #onFailure: (name: string, kind: StepKind | undefined, error: unknown) => void;

  /**
   * @param onEnd called after each step that did not fail
   * @param onFailure called after each that did; `kind` is undefined for what was done at once
   */
  constructor(
    clock: Clock,
    onEnd: (name: string, kind: StepKind) => void,
    onFailure: (name: string, kind: StepKind | undefined, error: unknown) => void,
  ) {
    this.#clock = clock;
    this.#onEnd = onEnd;
    this.#onFailure = onFailure;
  }

  /**
   * Begins a step, unless one is under way on that VM or the last one failed a moment ago: what is still to be done is seen
   * again by a later look. Returns whether it was begun.
   */
  begin(name: string, kind: StepKind, work: () => Promise<void>): boolean {
    if (this.#underWay.has(name) || !this.#backoffs.mayTry(name, this.#clock.uptimeMs())) return false;
    const succeeded = (): void => {
      this.#underWay.delete(name);
      this.#backoffs.succeeded(name);
      this.#onEnd(name, kind);
    };
    const failed = (error: unknown): void => {
      this.#underWay.delete(name);
      this.#failed(name, kind, error);
    };
    this.#underWay.set(name, { kind, ended: work().then(succeeded, failed) });
    return true;
  }

  /** Does something quick about a VM at once, also while a step is under way on it. Never rejects: a failure is that VM's own. */
  async attempt(name: string, work: () => Promise<void>): Promise<void> {
    if (!this.#backoffs.mayTry(name, this.#clock.uptimeMs())) return;
    try {
      await work();
    } catch (error) {
      this.#failed(name, undefined, error);
    }
  }

  /** What is being done to a VM, if anything. */
  kindOf(name: string): StepKind | undefined {
    return this.#underWay.get(name)?.kind;
  }

  /** All that are under way, by VM. */
  get kinds(): ReadonlyMap<string, StepKind> {
    return new Map([...this.#underWay].map(([name, { kind }]) => [name, kind]));
  }

  /** Resolves when all that are under way now have ended. */
  async ended(): Promise<void> {
    await Promise.all([...this.#underWay.values()].map((step) => step.ended));
  }

  #failed(name: string, kind: StepKind | undefined, error: unknown): void {
    this.#backoffs.failed(name, this.#clock.uptimeMs());
    this.#onFailure(name, kind, error);
  }
}
