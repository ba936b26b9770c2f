import { TidepoolError } from '../../domain/errors.ts';
import type { ServiceReport, ServiceSpec } from '../../protocol/agent-service.ts';
import { type AgentClock, sleep } from '../clock.ts';
import type { SendTerm } from '../container-run.ts';
import { renewSlot } from '../slot.ts';
import { Wakeup } from '../wakeup.ts';
import type { Verdict } from './judge.ts';
import { Life, type LifeEnd, type Place } from './life.ts';
import { OutputRing } from './output-ring.ts';
import { afterEnd, noRestarts } from './restarts.ts';
import { type HandlerStatus, maxTracebackBytes } from './status-file.ts';

type Counts = Pick<HandlerStatus, 'restarts' | 'requests' | 'errors'>;

/**
 * One service in this agent's life: its container, which is started again when it ends, and what is known about it. Once
 * `failed` it stays so, and nothing of it runs.
 */
export class Service {
  readonly spec: ServiceSpec;
  readonly output: OutputRing;
  readonly #clock: AgentClock;
  readonly #sendTerm: SendTerm;
  readonly #changed = new Wakeup();
  readonly #leaving = new AbortController();
  #verdict: Verdict = { state: 'starting', message: '', traceback: '' };
  #status: HandlerStatus | undefined;
  /** Of the container's former lives. */
  #before: Counts = { restarts: 0, requests: 0, errors: 0 };
  #life: Life | undefined;
  #living: Promise<void> = Promise.resolve();

  constructor(spec: ServiceSpec, clock: AgentClock, sendTerm: SendTerm) {
    this.spec = spec;
    this.#clock = clock;
    this.#sendTerm = sendTerm;
    this.output = new OutputRing(clock);
  }

  get report(): ServiceReport {
    const { restarts, requests, errors } = this.#counts();
    const isCounted = this.spec.entry.kind === 'handler';
    return {
      id: this.spec.id,
      port: this.spec.port,
      ...this.#verdict,
      restarts,
      inFlight: isCounted ? (this.#status?.inFlight ?? 0) : null,
      requests: isCounted ? requests : null,
      errors: isCounted ? errors : null,
    };
  }

  /** Fires when it is to end. */
  get leaving(): AbortSignal {
    return this.#leaving.signal;
  }

  /** Resolves when it is no longer `starting` or is to end, or the signal fires. */
  async untilStarted(signal: AbortSignal): Promise<void> {
    const over = AbortSignal.any([signal, this.leaving]);
    while (this.#verdict.state === 'starting' && !over.aborted) await this.#changed.wait(over);
  }

  /** Starts its container. To be called once, when its files are there. */
  begin(place: Place): void {
    this.#living = this.#live(place).catch((error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error);
      this.#say({ state: 'failed', message: `the worker could not run it: ${reason}`, traceback: '' });
    });
  }

  /** Ends its container: TERM, and KILL of all that is left after the grace. */
  leave(): void {
    this.#leaving.abort(new TidepoolError('aborted', `${this.spec.id} is being removed`));
    this.#life?.stop();
  }

  /** Resolves when nothing of it runs any more, nor will. */
  get ended(): Promise<void> {
    return this.#living;
  }

  async #live(place: Place): Promise<void> {
    let history = noRestarts;
    for (;;) {
      const { servedMs, how, failure } = await this.#liveOnce(place);
      const traceback = failure?.traceback || this.output.tail(maxTracebackBytes);
      if (failure !== undefined) return this.#say({ ...failure, traceback });
      if (this.leaving.aborted) return;
      const next = afterEnd(history, servedMs);
      history = next.history;
      if (next.pauseMs === null) return this.#say({ state: 'failed', message: `it ends too often: ${how}`, traceback });
      this.#before = { ...this.#before, restarts: this.#before.restarts + 1 };
      this.#say({ state: 'starting', message: `it is started again: ${how}`, traceback });
      await sleep(this.#clock, next.pauseMs, this.leaving);
      if (this.leaving.aborted) return;
      renewSlot(place.slot);
    }
  }

  async #liveOnce(place: Place): Promise<LifeEnd> {
    const { spec, output } = this;
    const onLook = (verdict: Verdict, status: HandlerStatus | undefined): void => {
      this.#status = status;
      // The last traceback stays until there is another.
      this.#say({ ...verdict, traceback: verdict.traceback || this.#verdict.traceback });
    };
    this.#life = new Life({ spec, output, place, clock: this.#clock, sendTerm: this.#sendTerm, onLook });
    if (this.leaving.aborted) this.#life.stop();
    const end = await this.#life.live();
    output.notice(end.how);
    this.#status = end.status;
    this.#before = this.#counts();
    this.#status = undefined;
    return end;
  }

  #counts(): Counts {
    const before = this.#before;
    const { restarts = 0, requests = 0, errors = 0 } = this.#status ?? {};
    return {
      restarts: before.restarts + restarts,
      requests: before.requests + requests,
      errors: before.errors + errors,
    };
  }

  #say(verdict: Verdict): void {
    this.#verdict = verdict;
    this.#changed.notify();
  }
}
