import type { Clock } from '../domain/clock.ts';

/** Repetitions within this time are counted, in milliseconds. */
const countMs = 60_000;
/** Maximum number of different messages whose repetitions are counted at one time. */
const mostMessages = 1_000;

interface Counted {
  repetitions: number;
  readonly cancel: () => void;
}

/**
 * A log that prints a message once and then counts its repetitions for a minute, so that what fails again and again does not
 * fill the disk that may be what is full. After the minute it prints the message with their number, if there were any.
 */
export class RepeatedLog {
  readonly #clock: Clock;
  readonly #print: (message: string) => void;
  readonly #counted = new Map<string, Counted>();

  constructor(clock: Clock, print: (message: string) => void) {
    this.#clock = clock;
    this.#print = print;
  }

  log(message: string): void {
    const counted = this.#counted.get(message);
    if (counted !== undefined) {
      counted.repetitions += 1;
      return;
    }
    this.#print(message);
    this.#count(message);
    for (const [oldest, { cancel }] of this.#counted) {
      if (this.#counted.size <= mostMessages) break;
      cancel();
      this.#summarise(oldest);
    }
  }

  /** Prints what is counted so far, before the process ends. */
  flush(): void {
    for (const [message, { cancel }] of this.#counted) {
      cancel();
      this.#summarise(message);
    }
  }

  #count(message: string): void {
    const cancel = this.#clock.after(countMs, () => {
      if (this.#summarise(message)) this.#count(message);
    });
    this.#counted.set(message, { repetitions: 0, cancel });
  }

  /** Ends the counting of a message. Returns whether it was repeated. */
  #summarise(message: string): boolean {
    const repetitions = this.#counted.get(message)?.repetitions ?? 0;
    this.#counted.delete(message);
    if (repetitions === 0) return false;
    this.#print(`${message} (${repetitions === 1 ? 'once' : `${repetitions} times`} more within ${countMs / 1_000} s)`);
    return true;
  }
}
