import { type Clock, sleepAborted } from '../domain/clock.ts';
import { TidepoolError } from '../domain/errors.ts';
import type { ServiceOutput } from '../domain/service-link.ts';
import type { ServiceReport, ServiceSpec } from '../protocol/agent-service.ts';
import { encodeFrame } from '../protocol/output-frames.ts';
import type { ServiceStep } from './handler-script.ts';
import type { FakeStoreRelay } from './store-relay.ts';

/** As the real agent has it: who does not serve by then has failed. */
const startLimitMs = 60_000;
/** How long an agent tries again to start what ends at once. */
const givesUpAfterMs = 2_000;

/** A service of the fake agent: carries out its steps in the clock's time. */
export class RunningService {
  readonly spec: ServiceSpec;
  readonly #steps: readonly ServiceStep[];
  readonly #clock: Clock;
  readonly #startMs: number;
  readonly #relay: FakeStoreRelay;
  readonly #waiting = new Set<() => void>();
  /** Fires when this life of it ends. */
  #life = new AbortController();
  #report: ServiceReport;
  #output: Buffer = Buffer.alloc(0);
  #isGone = false;

  constructor(fields: {
    spec: ServiceSpec;
    steps: readonly ServiceStep[];
    clock: Clock;
    /** From the start to its first step. */
    startMs: number;
    relay: FakeStoreRelay;
  }) {
    this.spec = fields.spec;
    this.#steps = fields.steps;
    this.#clock = fields.clock;
    this.#startMs = fields.startMs;
    this.#relay = fields.relay;
    const isCounted = fields.spec.entry.kind === 'handler';
    const counts = isCounted
      ? { inFlight: 0, requests: 0, errors: 0 }
      : { inFlight: null, requests: null, errors: null };
    const { id, port } = fields.spec;
    this.#report = { id, port, state: 'starting', message: '', traceback: '', restarts: 0, ...counts };
  }

  get report(): ServiceReport {
    return this.#report;
  }

  start(): void {
    const life = this.#life.signal;
    const cancel = this.#clock.after(startLimitMs, () => this.fail(`it did not listen, for ${startLimitMs / 1_000} s`));
    life.addEventListener('abort', cancel);
    this.#carryOut(life).catch(() => undefined); // This life is over.
  }

  /** It ends by itself, as by a crash, and is started again. */
  crash(): void {
    if (this.#report.state === 'failed') return;
    this.change({ state: 'starting', message: 'it is started again', restarts: this.#report.restarts + 1 });
    this.#endLife();
    this.start();
  }

  fail(message: string, traceback = ''): void {
    this.#endLife();
    this.change({ state: 'failed', message, traceback });
  }

  /** As the handler's server counts, or says. */
  change(fields: Partial<ServiceReport>): void {
    this.#report = { ...this.#report, ...fields };
    this.#wake();
  }

  /** It is gone; nobody is told. */
  end(): void {
    this.#isGone = true;
    this.#endLife();
    this.#wake();
  }

  print(text: string): void {
    const frame = encodeFrame({ stream: 'stdout', atMs: this.#clock.now(), data: Buffer.from(text) });
    this.#output = Buffer.concat([this.#output, frame]);
  }

  output(offset: number): ServiceOutput {
    if (offset > this.#output.length)
      throw new TidepoolError('invalid', `the output has ${this.#output.length} bytes so far`);
    return { offset, bytes: this.#output.subarray(offset) };
  }

  /** Resolves when it is no longer `starting` or is gone, after `waitMs`, or when the signal fires. */
  async untilStarted(waitMs: number, signal?: AbortSignal): Promise<void> {
    const giveUpAtMs = this.#clock.now() + waitMs;
    const isOver = (): boolean => this.#clock.now() >= giveUpAtMs || this.#isGone || signal?.aborted === true;
    while (this.#report.state === 'starting' && !isOver()) {
      const cancel = this.#clock.after(giveUpAtMs - this.#clock.now(), () => this.#wake());
      await new Promise<void>((resolve) => {
        this.#waiting.add(resolve);
        signal?.addEventListener('abort', () => resolve(), { once: true });
      });
      cancel();
    }
  }

  async #carryOut(life: AbortSignal): Promise<void> {
    await this.#clock.sleep(this.#startMs, life);
    for (const step of this.#steps) {
      if (step.kind === 'sleep') await this.#clock.sleep(step.ms, life);
      if (step.kind === 'store') await this.#ask(step, life);
      if (step.kind === 'fail') return this.fail(step.message, step.traceback);
      if (step.kind === 'end') {
        await this.#clock.sleep(givesUpAfterMs, life);
        this.change({ restarts: this.#report.restarts + 2 });
        return this.fail(`it ends too often: ${step.how}`);
      }
      if (step.kind === 'serve') return this.#serve();
    }
  }

  /** Serving takes the limit of its start off. */
  #serve(): void {
    this.#endLife();
    this.change({ state: 'serving', message: '' });
  }

  async #ask({ op, key, value }: Extract<ServiceStep, { kind: 'store' }>, life: AbortSignal): Promise<void> {
    const answer = await this.#relay.ask(op === 'put' ? { op, key, value } : { op, key });
    if (life.aborted) throw sleepAborted();
    if (op === 'get') this.print(`${Buffer.from(answer.value ?? '', 'base64').toString()}\n`);
  }

  #endLife(): void {
    this.#life.abort();
    this.#life = new AbortController();
  }

  #wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }
}
