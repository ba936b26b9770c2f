/** The topic of one VM: notified when it is known to run no more. */
export function vmTopic(name: string): string {
  return `vm ${name}`;
}

/**
 * In-process wake-ups by topic, e.g. a job's id. They carry no data: whoever is woken reads the state again, so a
 * wake-up that comes twice, or for nothing, does no harm.
 */
export class Changes {
  readonly #subscriptions = new Map<string, Set<Subscription>>();

  /** Wakes everybody who subscribed to the topic. */
  notify(topic: string): void {
    for (const subscription of this.#subscriptions.get(topic) ?? []) subscription.wake();
  }

  /** Calls `react` after each change of the topic (once for many at a time) until the signal fires. */
  async each(topic: string, signal: AbortSignal, react: () => void): Promise<void> {
    const subscription = this.subscribe(topic);
    while (!signal.aborted) {
      await subscription.wait(signal);
      react();
    }
    subscription.close();
  }

  /** Subscribe before reading the state; a change between the reading and the waiting is then not lost. */
  subscribe(...topics: readonly string[]): Subscription {
    const subscription = new Subscription(() => {
      for (const topic of topics) {
        const all = this.#subscriptions.get(topic);
        all?.delete(subscription);
        if (all?.size === 0) this.#subscriptions.delete(topic);
      }
    });
    for (const topic of topics) {
      const all = this.#subscriptions.get(topic) ?? new Set();
      this.#subscriptions.set(topic, all.add(subscription));
    }
    return subscription;
  }
}

/** One follower's place at one topic or several. Waits of one subscription do not overlap. */
export class Subscription {
  #woken = false;
  #resolve: (() => void) | undefined;
  readonly #onClose: () => void;

  constructor(onClose: () => void) {
    this.#onClose = onClose;
  }

  wake(): void {
    this.#woken = true;
    this.#resolve?.();
  }

  /** Resolves when there was a change since the last wait (at once if there was), or when the signal fires. */
  async wait(signal: AbortSignal): Promise<void> {
    if (!this.#woken && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          signal.removeEventListener('abort', done);
          resolve();
        };
        this.#resolve = done;
        signal.addEventListener('abort', done);
      });
    }
    this.#resolve = undefined;
    this.#woken = false;
  }

  close(): void {
    this.#onClose();
  }
}
