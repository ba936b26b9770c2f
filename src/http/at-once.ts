import { TidepoolError } from '../domain/errors.ts';

/** Requests of one user at one time, followed streams among them: far more than anybody needs. */
export const maxAtOnce = 1_000;

/** How many requests of each user are under way, so that one user cannot have all connections and files of the server. */
export class AtOnce {
  readonly #counts = new Map<string, number>();
  readonly #most: number;

  constructor(most = maxAtOnce) {
    this.#most = most;
  }

  /** Gives what must be called once when the request is over. Error: `exhausted`. */
  enter(user: string): () => void {
    const count = this.#counts.get(user) ?? 0;
    if (count >= this.#most) {
      const details = { limit: 'requests at one time', allowed: this.#most };
      throw new TidepoolError('exhausted', `${user} has ${count} requests under way, the most there may be`, {
        details,
      });
    }
    this.#counts.set(user, count + 1);
    return () => {
      const left = (this.#counts.get(user) ?? 0) - 1;
      if (left > 0) this.#counts.set(user, left);
      else this.#counts.delete(user);
    };
  }
}
