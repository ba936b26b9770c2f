/** The newest `capacity` values, oldest first; pushing to a full ring drops the oldest. */
export class Ring<T> {
  readonly #items: (T | undefined)[];
  #start = 0;
  #length = 0;

  constructor(capacity: number) {
    if (!Number.isInteger(capacity) || capacity < 1) throw new RangeError(`a ring of ${capacity}`);
    this.#items = new Array(capacity);
  }

  push(item: T): void {
    this.#items[(this.#start + this.#length) % this.#items.length] = item;
    if (this.#length < this.#items.length) this.#length += 1;
    else this.#start = (this.#start + 1) % this.#items.length;
  }

  get length(): number {
    return this.#length;
  }

  /** The newest, or undefined when it is empty. */
  last(): T | undefined {
    return this.#length === 0 ? undefined : this.#items[(this.#start + this.#length - 1) % this.#items.length];
  }

  /** Oldest first. */
  toArray(): T[] {
    const items: T[] = [];
    for (let i = 0; i < this.#length; i += 1) items.push(this.#items[(this.#start + i) % this.#items.length] as T);
    return items;
  }
}
