import { appendFileSync } from 'node:fs';

/** What happened in a soak, line by line, with the time since its start. */
export class Story {
  readonly #startedAtMs = performance.now();
  readonly #path: string;
  readonly #print: (line: string) => void;
  readonly #violations: string[] = [];

  /** @param path file that gets every line; `print` gets those that a person follows */
  constructor(path: string, print: (line: string) => void) {
    this.#path = path;
    this.#print = print;
  }

  /** Milliseconds since the start, by the steady clock. */
  get elapsedMs(): number {
    return performance.now() - this.#startedAtMs;
  }

  get violations(): readonly string[] {
    return this.#violations;
  }

  /** A line for the person who watches. */
  say(text: string): void {
    const line = this.#line(text);
    appendFileSync(this.#path, `${line}\n`);
    this.#print(line);
  }

  /** A line for whoever looks for the cause of a violation afterwards. */
  note(text: string): void {
    appendFileSync(this.#path, `${this.#line(text)}\n`);
  }

  /** Something that must never happen did. */
  violated(text: string): void {
    this.#violations.push(text);
    this.say(`VIOLATION: ${text}`);
  }

  #line(text: string): string {
    return `${(this.elapsedMs / 1_000).toFixed(1).padStart(7)} ${text}`;
  }
}
