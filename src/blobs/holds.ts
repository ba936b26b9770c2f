/** Somebody's hold on blobs. */
interface Hold {
  add(id: string): void;
  end(): void;
}

/**
 * Which blobs may not be removed now, and which are being removed. A hold is taken at once, before anything is waited for:
 * who then waits for `removed` finds the blob as it will stay.
 */
export class Holds {
  readonly #holders = new Map<string, number>();
  readonly #removing = new Map<string, Promise<unknown>>();

  begin(): Hold {
    const ids = new Set<string>();
    return {
      add: (id) => {
        if (ids.has(id)) return;
        ids.add(id);
        this.#holders.set(id, (this.#holders.get(id) ?? 0) + 1);
      },
      end: () => {
        for (const id of ids) this.#letGo(id);
        ids.clear();
      },
    };
  }

  /** Runs the removal unless the blob is held or is being removed already; then false. */
  async remove(id: string, removal: () => Promise<boolean>): Promise<boolean> {
    if (this.#holders.has(id) || this.#removing.has(id)) return false;
    const running = removal().finally(() => this.#removing.delete(id));
    this.#removing.set(id, running);
    return running;
  }

  /** Resolves when no removal of the blob is under way. */
  async removed(id: string): Promise<void> {
    await this.#removing.get(id)?.catch(() => undefined);
  }

  #letGo(id: string): void {
    const left = (this.#holders.get(id) ?? 0) - 1;
    if (left > 0) this.#holders.set(id, left);
    else this.#holders.delete(id);
  }
}
