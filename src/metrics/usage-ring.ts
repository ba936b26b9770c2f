import type { Usage } from './usage.ts';

const fields = [
  ...(['atMs', 'cpu', 'cpuWanted', 'memoryBytes', 'diskReadBytesPerSecond'] as const),
  ...(['diskWriteBytesPerSecond', 'networkReceiveBytesPerSecond', 'networkTransmitBytesPerSecond'] as const),
];
const firstCapacity = 16;

/**
 * The newest usages of one machine, oldest first. Each takes 64 bytes of an array of numbers; as an object it would take four
 * times that. The array grows with what is in it.
 */
export class UsageRing {
  #values = new Float64Array(firstCapacity * fields.length);
  #start = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** @param most maximum number that is kept; the oldest beyond it are dropped */
  push(usage: Usage, most: number): void {
    while (this.#length >= most && this.#length > 0) this.#dropOldest();
    if (this.#length === this.#capacity) this.#resize(2 * this.#capacity);
    else if (this.#capacity > firstCapacity && this.#capacity > 4 * most) this.#resize(2 * most);
    const at = this.#place(this.#length);
    for (const [index, field] of fields.entries()) this.#values[at + index] = usage[field];
    this.#length += 1;
  }

  /** Those after this time, oldest first. @param most maximum number; the newest are taken */
  after(sinceMs: number, most = Number.POSITIVE_INFINITY): Usage[] {
    const found: Usage[] = [];
    for (let index = this.#length - 1; index >= 0 && found.length < most; index -= 1) {
      const at = this.#place(index);
      if ((this.#values[at] ?? 0) <= sinceMs) break;
      found.push(this.#read(at));
    }
    return found.reverse();
  }

  get #capacity(): number {
    return this.#values.length / fields.length;
  }

  #dropOldest(): void {
    this.#start = (this.#start + 1) % this.#capacity;
    this.#length -= 1;
  }

  /** Where the index-th value begins. */
  #place(index: number): number {
    return ((this.#start + index) % this.#capacity) * fields.length;
  }

  #resize(capacity: number): void {
    const values = new Float64Array(capacity * fields.length);
    for (let index = 0; index < this.#length; index += 1) {
      const at = this.#place(index);
      values.set(this.#values.subarray(at, at + fields.length), index * fields.length);
    }
    this.#values = values;
    this.#start = 0;
  }

  #read(at: number): Usage {
    const value = (field: (typeof fields)[number]): number => this.#values[at + fields.indexOf(field)] ?? 0;
    return {
      atMs: value('atMs'),
      cpu: value('cpu'),
      cpuWanted: value('cpuWanted'),
      memoryBytes: value('memoryBytes'),
      diskReadBytesPerSecond: value('diskReadBytesPerSecond'),
      diskWriteBytesPerSecond: value('diskWriteBytesPerSecond'),
      networkReceiveBytesPerSecond: value('networkReceiveBytesPerSecond'),
      networkTransmitBytesPerSecond: value('networkTransmitBytesPerSecond'),
    };
  }
}
