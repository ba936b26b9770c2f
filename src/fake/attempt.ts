import type { Clock } from '../domain/clock.ts';
import { TidepoolError } from '../domain/errors.ts';
import { type AttemptOutcome, type AttemptReport, type AttemptSpec, newReport } from '../protocol/agent.ts';
import type { FileEntry } from '../protocol/file-stream.ts';
import { encodeFrame, type OutputStream } from '../protocol/output-frames.ts';
import { readScript, type Step } from './script.ts';

/** An attempt of the fake agent: carries out its script's steps in the clock's time. */
export class FakeAttempt {
  readonly #spec: AttemptSpec;
  readonly #clock: Clock;
  readonly #ended = new AbortController();
  readonly #waiting = new Set<() => void>();
  readonly #produced = new Map<string, string>();
  #fields: Partial<AttemptReport> = {};
  #log: Buffer = Buffer.alloc(0);
  #outputBytes = 0;
  #isTruncated = false;
  #isCut = false;
  /** Counts how often its connections were broken. */
  #breaks = 0;

  constructor(spec: AttemptSpec, clock: Clock) {
    this.#spec = spec;
    this.#clock = clock;
  }

  get report(): AttemptReport {
    return {
      ...newReport(this.#spec.id),
      ...this.#fields,
      outputLogBytes: this.#log.length,
      outputTruncated: this.#isTruncated,
      producedFiles: this.#fields.state === 'ended' ? this.#produced.size : 0,
    };
  }

  get isEnded(): boolean {
    return this.#fields.state === 'ended';
  }

  /** Starts the script among the files; returns while it runs. */
  async run(files: ReadonlyMap<string, string>): Promise<void> {
    const { entrypoint, limits } = this.#spec;
    const steps = readScript(entrypoint, files.get(entrypoint) ?? '');
    if (!Array.isArray(steps)) return this.end('rejected', { syntaxProblem: steps });
    this.#fields = { state: 'running', startedAtMs: this.#clock.now() };
    this.#wake();
    this.#clock.after(limits.timeoutMs, () => this.end('timed_out', { signal: 15, limitsHit: ['time'] }));
    void this.#carryOut(steps);
  }

  /** Ends it, unless it has ended. */
  end(outcome: AttemptOutcome, fields: Partial<AttemptReport>): void {
    if (this.#ended.signal.aborted) return;
    const endedAtMs = this.#clock.now();
    const { startedAtMs } = this.report;
    const used = startedAtMs === null ? {} : { wallMs: endedAtMs - startedAtMs, cpuMs: 1, peakMemoryBytes: 1 };
    const limitsHit = [...(this.#isTruncated ? ['output' as const] : []), ...(fields.limitsHit ?? [])];
    this.#fields = { ...this.#fields, ...used, endedAtMs, ...fields, limitsHit, state: 'ended', outcome };
    this.#ended.abort();
    this.#wake();
  }

  /** Ends it without a trace, and breaks all connections that follow it. */
  cut(): void {
    this.#isCut = true;
    this.#ended.abort();
    this.#wake();
  }

  /** Breaks all connections that follow it; it goes on. */
  disconnect(): void {
    this.#breaks += 1;
    this.#wake();
  }

  async *output(offset: number, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    let at = offset;
    const breaks = this.#breaks;
    for (;;) {
      if (breaks !== this.#breaks) throw connectionLost();
      if (signal?.aborted === true) throw new TidepoolError('aborted', 'following the output was given up');
      if (at < this.#log.length) {
        const chunk = this.#log.subarray(at);
        at = this.#log.length;
        yield chunk;
      } else if (this.#fields.state === 'ended') {
        return;
      } else {
        await this.#change(signal);
      }
    }
  }

  /** Error: `conflict` while it runs. */
  producedFiles(): FileEntry[] {
    if (this.#fields.state !== 'ended') throw new TidepoolError('conflict', `attempt ${this.#spec.id} still runs`);
    return [...this.#produced].map(([path, text]) => {
      const content = Buffer.from(text);
      return { path, size: content.length, content: oneChunk(content) };
    });
  }

  async #carryOut(steps: readonly Step[]): Promise<void> {
    for (const step of steps) {
      if (this.#ended.signal.aborted) return;
      if (step.kind === 'print') this.#print(step.stream, Buffer.from(step.text));
      if (step.kind === 'write' && step.path.startsWith('out/')) this.#produced.set(step.path.slice(4), step.text);
      if (step.kind === 'sleep') await this.#clock.sleep(step.ms, this.#ended.signal).catch(() => undefined);
      if (step.kind === 'exhaust') return this.end('out_of_memory', { signal: 9, limitsHit: ['memory'] });
      if (step.kind === 'exit') return this.#exit(step.code);
    }
    this.#exit(0);
  }

  #exit(code: number): void {
    this.end(code === 0 ? 'succeeded' : 'failed', { exitCode: code });
  }

  #print(stream: OutputStream, data: Buffer): void {
    if (this.#isTruncated) return;
    const kept = data.subarray(0, this.#spec.limits.outputBytes - this.#outputBytes);
    this.#outputBytes += kept.length;
    this.#add(stream, kept);
    if (kept.length === data.length) return;
    this.#isTruncated = true;
    this.#add('notice', Buffer.from('the output limit was reached here\n'));
  }

  #add(stream: OutputStream, data: Buffer): void {
    this.#log = Buffer.concat([this.#log, encodeFrame({ stream, atMs: this.#clock.now(), data })]);
    this.#wake();
  }

  #wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }

  /** Resolves at the next change. Error: `unavailable` when the connection is cut. */
  async #change(signal?: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#waiting.add(resolve);
      signal?.addEventListener('abort', () => resolve(), { once: true });
    });
    if (this.#isCut) throw connectionLost();
  }
}

function connectionLost(): TidepoolError {
  return new TidepoolError('unavailable', 'the connection to the agent was lost');
}

async function* oneChunk(content: Buffer): AsyncGenerator<Uint8Array> {
  if (content.length > 0) yield content;
}
