import { randomUUID } from 'node:crypto';
import type { Writable } from 'node:stream';
import { maxStoreLineBytes, maxStoreWaiting, type StoreAnswer, storeSilenceMs } from '../../protocol/agent-service.ts';
import { LineReader } from '../../protocol/lines.ts';
import type { AgentClock } from '../clock.ts';
import { type Ask, parseStoreAnswer, type Reply, refusal } from './store-message.ts';

const answerLimitMs = 10_000;
const maxWaitingBytes = 16 * 1024 * 1024;
/** So much is encrypted at a time; the agent does other things before the rest. */
const maxWriteChars = 256 * 1024;
/** So often an empty line goes out, which the other end answers: who hears nothing for long knows that the other is gone. */
const pingEveryMs = 10_000;

interface Waiting {
  readonly line: string;
  reply(answer: Reply): void;
}

/**
 * Passes requests of containers on to the control plane, and its answers back. Requests get ids of the relay's own. While
 * nobody holds the connection open they wait; those that were sent when it broke are sent again on the next, with the same
 * ids, by which the control plane knows those that it has carried out.
 */
export class StoreRelay {
  /** Tells the relay from all others, and from that of an earlier start of this agent. */
  readonly name = randomUUID();
  readonly #clock: AgentClock;
  /** By id, in their order. */
  readonly #waiting = new Map<number, Waiting>();
  #waitingBytes = 0;
  #lastId = 0;
  /** To the control plane, while it holds the connection open. */
  #outgoing: Writable | undefined;
  /** Ids that are still to be sent on this connection, in their order. */
  #unsent: number[] = [];
  #isFlushing = false;

  constructor(clock: AgentClock) {
    this.#clock = clock;
  }

  /** The answer; a refusal when there is none in time, or too many wait. Never rejects. */
  ask(ask: Ask): Promise<Reply> {
    if (this.#waiting.size >= maxStoreWaiting || this.#waitingBytes >= maxWaitingBytes)
      return Promise.resolve(refusal('too many requests to the store wait'));
    this.#lastId += 1;
    const id = this.#lastId;
    const line = `${JSON.stringify({ id, ...ask })}\n`;
    this.#waitingBytes += line.length;
    return new Promise((resolve) => {
      const late = refusal(`the store did not answer within ${answerLimitMs / 1000} s`);
      const cancel = this.#clock.after(answerLimitMs, () => this.#settle(id, late));
      const reply = (answer: Reply): void => {
        cancel();
        resolve(answer);
      };
      this.#waiting.set(id, { line, reply });
      if (this.#outgoing === undefined) return;
      this.#unsent.push(id);
      this.#flushSoon();
    });
  }

  /**
   * Carries requests and answers over one connection until it ends, falls silent or another one takes its place.
   * Rejects with what broke it: lines that are no answers, or the stream's own error.
   */
  async serve(incoming: AsyncIterable<Uint8Array>, outgoing: Writable): Promise<void> {
    this.#outgoing?.end();
    this.#outgoing = outgoing;
    this.#unsent = [...this.#waiting.keys()];
    outgoing.on('drain', () => this.#flushSoon());
    const stopPings = this.#repeat(pingEveryMs, () => outgoing.writable && outgoing.write('\n'));
    const onSilence = (): void => void outgoing.destroy();
    let cancelSilence = this.#clock.after(storeSilenceMs, onSilence);
    try {
      this.#flushSoon();
      const lines = new LineReader(maxStoreLineBytes);
      for await (const chunk of incoming) {
        cancelSilence();
        cancelSilence = this.#clock.after(storeSilenceMs, onSilence);
        for (const line of lines.push(chunk)) if (line !== '') this.#answered(parseStoreAnswer(line));
      }
      outgoing.end();
    } finally {
      cancelSilence();
      stopPings();
      if (this.#outgoing === outgoing) this.#outgoing = undefined;
    }
  }

  #answered({ id, value, error }: StoreAnswer): void {
    this.#settle(id, { value, error });
  }

  /** Without effect on one that is settled: its time was up before. */
  #settle(id: number, answer: Reply): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    this.#waitingBytes -= waiting.line.length;
    waiting.reply(answer);
  }

  /** After the present chunk of requests, which then go out together. */
  #flushSoon(): void {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    queueMicrotask(() => {
      this.#isFlushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    const outgoing = this.#outgoing;
    if (outgoing === undefined || !outgoing.writable || outgoing.writableNeedDrain) return;
    let text = '';
    let count = 0;
    for (const id of this.#unsent) {
      if (text.length >= maxWriteChars) break;
      text += this.#waiting.get(id)?.line ?? '';
      count += 1;
    }
    this.#unsent.splice(0, count);
    // When some are left this is more than the stream takes at once: their time is its `drain`.
    if (text !== '') outgoing.write(text);
  }

  #repeat(everyMs: number, work: () => void): () => void {
    let cancel = (): void => undefined;
    const next = (): void => {
      cancel = this.#clock.after(everyMs, () => {
        work();
        next();
      });
    };
    next();
    return () => cancel();
  }
}
