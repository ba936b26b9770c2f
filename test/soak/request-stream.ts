import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../sim/random.ts';
import type { Story } from './story.ts';

const pauseMs = 300;
const largest = 14;
const answerLimitMs = 20_000;
const retryPauseMs = 500;
const mostUnderWay = 40;

/**
 * Sends requests to the service at a steady rate, as a client that tries again what was refused or cut off. No answer may be
 * wrong, and each request must be answered once the trouble is over: while faults kill every VM again and again, none can.
 */
export class RequestStream {
  readonly #random: Random;
  readonly #story: Story;
  readonly #url: string;
  readonly #underWay = new Set<Promise<void>>();
  #isGivenUp = false;
  answered = 0;
  retried = 0;
  /** Longest time from a request to its answer, in milliseconds. */
  longestWaitMs = 0;

  constructor(random: Random, story: Story, url: string) {
    this.#random = random;
    this.#story = story;
    this.#url = url;
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleep(pauseMs);
      if (this.#underWay.size >= mostUnderWay) continue;
      const request = this.#request(this.#random.int(0, largest));
      this.#underWay.add(request);
      void request.finally(() => this.#underWay.delete(request));
    }
  }

  /** Waits for the answers of all that was sent until now; a violation when they do not come before the signal fires. */
  async finish(limit: AbortSignal): Promise<void> {
    const sent = Promise.all(this.#underWay).then(() => true);
    const isAnswered = await Promise.race([sent, fired(limit)]);
    if (isAnswered) return;
    this.#isGivenUp = true;
    await sent;
    this.#isGivenUp = false;
  }

  async #request(n: number): Promise<void> {
    const sentAtMs = performance.now();
    for (let tries = 1; ; tries += 1) {
      const answer = await this.#ask(n);
      if (answer === true) {
        this.answered += 1;
        this.retried += tries - 1;
        this.longestWaitMs = Math.max(this.longestWaitMs, performance.now() - sentAtMs);
        return;
      }
      if (this.#isGivenUp)
        return this.#story.violated(
          `request ${n} was not answered after the trouble, in ${tries} tries; the last one: ${answer}`,
        );
      await sleep(retryPauseMs);
    }
  }

  /** True when it was answered; else why not. */
  async #ask(n: number): Promise<true | string> {
    try {
      const response = await fetch(`${this.#url}/${n}`, { signal: AbortSignal.timeout(answerLimitMs) });
      const text = await response.text();
      if (response.status >= 500) return `HTTP ${response.status}: ${text.slice(0, 200)}`;
      const body = JSON.parse(text);
      if (response.status === 200 && body.input === n && body.result === fibonacci(n)) return true;
      this.#story.violated(`the answer to ${n} was HTTP ${response.status} ${text.slice(0, 200)}`);
      return true;
    } catch (error) {
      return String(error instanceof Error ? (error.cause ?? error) : error);
    }
  }
}

/** Resolves with false when the signal fires. */
function fired(signal: AbortSignal): Promise<false> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(false), { once: true }));
}

function fibonacci(n: number): number {
  let [a, b] = [0, 1];
  for (let i = 0; i < n; i += 1) [a, b] = [b, a + b];
  return a;
}
