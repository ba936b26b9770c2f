import type { StepKind } from './steer.ts';

/** The pool's steps under way, in the background, at most one a VM. */
export class Steps {
  readonly #underWay = new Map<string, { readonly kind: StepKind; readonly ended: Promise<void> }>();
  readonly #onEnd: (name: string, error: unknown) => void;

  /** @param onEnd called after each step, with its error or undefined */
  constructor(onEnd: (name: string, error: unknown) => void) {
    this.#onEnd = onEnd;
  }

  /** Begins a step, unless one is under way on that VM: what is still to be done is seen again when it has ended. */
  begin(name: string, kind: StepKind, work: () => Promise<void>): void {
    if (this.#underWay.has(name)) return;
    const end = (error?: unknown): void => {
      this.#underWay.delete(name);
      this.#onEnd(name, error);
    };
    this.#underWay.set(name, { kind, ended: work().then(() => end(), end) });
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
}
