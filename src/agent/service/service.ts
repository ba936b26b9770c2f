import { TidepoolError } from '../../domain/errors.ts';
import type { ServiceReport, ServiceSpec } from '../../protocol/agent-service.ts';
import type { AgentClock } from '../clock.ts';
import { ContainerRun, type RunPlan, type SendTerm } from '../container-run.ts';
import { endingOf, type RunFacts } from '../outcome.ts';
import { removeTree } from '../remove-tree.ts';
import { renewSlot, type Slot } from '../slot.ts';
import { Wakeup } from '../wakeup.ts';
import { judge } from './judge.ts';
import { readListening } from './listening.ts';
import { OutputRing } from './output-ring.ts';
import { afterEnd, noRestarts } from './restarts.ts';
import { type HandlerStatus, maxTracebackBytes, readStatus } from './status-file.ts';

/** Between two looks at a container. */
const lookEveryMs = { starting: 200, serving: 1_000, failed: 1_000 } as const;

type Counts = Pick<HandlerStatus, 'restarts' | 'requests' | 'errors'>;

/** What a service runs in, once its files are there. */
export interface Place {
  readonly slot: Slot;
  readonly plan: RunPlan;
  /** The status file, as the agent sees it. */
  readonly statusPath: string;
}

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
  #said: Pick<ServiceReport, 'state' | 'message' | 'traceback'> = { state: 'starting', message: '', traceback: '' };
  #status: HandlerStatus | undefined;
  /** Of the container's former lives. */
  #before: Counts = { restarts: 0, requests: 0, errors: 0 };
  #run: ContainerRun | undefined;
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
      ...this.#said,
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

  /** Resolves when it is no longer `starting`, or the signal fires. */
  async untilStarted(signal: AbortSignal): Promise<void> {
    while (this.#said.state === 'starting' && !signal.aborted) await this.#changed.wait(signal);
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
    this.#run?.stop('stopped');
  }

  /** Resolves when nothing of it runs any more, nor will. */
  get ended(): Promise<void> {
    return this.#living;
  }

  async #live(place: Place): Promise<void> {
    let history = noRestarts;
    for (let { slot } = place; ; slot = await renewSlot(slot)) {
      const { servedMs, how } = await this.#liveOnce({ ...place, slot });
      if (this.leaving.aborted || this.#said.state === 'failed') return;
      const next = afterEnd(history, { servedMs });
      history = next.history;
      const traceback = this.#tail();
      if (next.pauseMs === null) return this.#say({ state: 'failed', message: `it ends too often: ${how}`, traceback });
      this.#before = { ...this.#before, restarts: this.#before.restarts + 1 };
      this.#say({ state: 'starting', message: `it is started again: ${how}`, traceback });
      await this.#pause(next.pauseMs, this.leaving);
      if (this.leaving.aborted) return;
    }
  }

  /** From a start of the container to its end. */
  async #liveOnce({ slot, plan, statusPath }: Place): Promise<{ servedMs: number; how: string }> {
    // That of the life before; nothing of it runs now.
    await removeTree(statusPath);
    const run = new ContainerRun(plan, slot, this.#clock, this.#sendTerm);
    this.#run = run;
    const over = new AbortController();
    const watching = this.#watch(run, statusPath, over.signal);
    if (this.leaving.aborted) run.stop('stopped');
    const facts = await run.run(this.output, () => undefined);
    over.abort();
    const servedMs = await watching;
    this.#run = undefined;
    this.#before = this.#counts();
    this.#status = undefined;
    const how = endText(facts);
    this.output.notice(how);
    return { servedMs, how };
  }

  /** Looks at the container until it is over, and then once more. Resolves with how long it served. */
  async #watch(run: ContainerRun, statusPath: string, over: AbortSignal): Promise<number> {
    const startedAtMs = this.#clock.now();
    let servesSinceMs: number | undefined;
    let idleSinceMs = startedAtMs;
    do {
      await this.#pause(lookEveryMs[this.#said.state], over);
      this.#status = await readStatus(statusPath);
      // Once it serves, the balancer in front sees best whether it listens.
      const listening = servesSinceMs === undefined ? await this.#listening(run) : 'yes';
      const now = this.#clock.now();
      const { entry, port } = this.spec;
      const said = judge({ kind: entry.kind, port, listening, status: this.#status, idleMs: now - idleSinceMs });
      if (said.state === 'serving') {
        servesSinceMs ??= now;
        idleSinceMs = now;
      }
      if (said.state === 'failed') {
        this.#say({ ...said, traceback: said.traceback || this.#tail() });
        run.stop('stopped', true);
      } else if (!over.aborted) {
        // The last traceback stays until there is another.
        this.#say({ ...said, traceback: said.traceback || this.#said.traceback });
      }
    } while (!over.aborted);
    return servesSinceMs === undefined ? 0 : this.#clock.now() - servesSinceMs;
  }

  async #listening(run: ContainerRun): ReturnType<typeof readListening> {
    const [pid] = run.processes();
    const transport = this.spec.protocol === 'udp' ? 'udp' : 'tcp';
    return pid === undefined ? 'no' : readListening(pid, transport, this.spec.port);
  }

  #tail(): string {
    return this.output.tail(maxTracebackBytes);
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

  #say(said: Pick<ServiceReport, 'state' | 'message' | 'traceback'>): void {
    this.#said = said;
    this.#changed.notify();
  }

  #pause(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const stop = (): void => {
        cancel();
        signal.removeEventListener('abort', stop);
        resolve();
      };
      const cancel = this.#clock.after(ms, stop);
      signal.addEventListener('abort', stop, { once: true });
    });
  }
}

/** How a container ended, for a person. */
function endText(facts: RunFacts): string {
  const { message, exitCode, signal } = endingOf(facts);
  if (message !== '') return message;
  return signal === null ? `it ended with exit code ${exitCode}` : `it was ended by signal ${signal}`;
}
