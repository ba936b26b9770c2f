import type { ServiceSpec } from '../../protocol/agent-service.ts';
import { type AgentClock, sleep } from '../clock.ts';
import { ContainerRun, type RunPlan, type SendTerm } from '../container-run.ts';
import { endingOf, type RunFacts } from '../outcome.ts';
import { removeTree } from '../remove-tree.ts';
import type { Slot } from '../slot.ts';
import { judge, type Verdict } from './judge.ts';
import { type Listening, readListening } from './listening.ts';
import type { OutputRing } from './output-ring.ts';
import { type HandlerStatus, readStatus } from './status-file.ts';

/** Between two looks at a container. */
const lookEveryMs = { beforeServing: 200, serving: 1_000 } as const;
/** What passes at most between two looks: a VM that was paused had more, and nobody worked. */
const longestStepMs = 5_000;

/** What a service runs in, once its files are there. */
export interface Place {
  readonly slot: Slot;
  readonly plan: RunPlan;
  /** The status file, as the agent sees it. */
  readonly statusPath: string;
}

/** How one life of a service's container ended. */
export interface LifeEnd {
  /** Null when it never did. */
  readonly servedMs: number | null;
  /** For a person. */
  readonly how: string;
  /** It must not be started again, and why. */
  readonly failure: Verdict | undefined;
  /** What the handler's server said last. */
  readonly status: HandlerStatus | undefined;
}

/** One life of a service's container, from its start to its end, looked at all the while. */
export class Life {
  readonly #spec: ServiceSpec;
  readonly #output: OutputRing;
  readonly #place: Place;
  readonly #clock: AgentClock;
  readonly #run: ContainerRun;
  readonly #onLook: (verdict: Verdict, status: HandlerStatus | undefined) => void;
  #status: HandlerStatus | undefined;
  #failure: Verdict | undefined;
  #hasServed = false;
  #servedMs = 0;
  #idleMs = 0;
  /** CPU time that its container had used when it served last. */
  #cpuMsBefore = 0;

  constructor(fields: {
    spec: ServiceSpec;
    output: OutputRing;
    place: Place;
    clock: AgentClock;
    sendTerm: SendTerm;
    /** Told after each look, until it has failed or ended. */
    onLook(verdict: Verdict, status: HandlerStatus | undefined): void;
  }) {
    this.#spec = fields.spec;
    this.#output = fields.output;
    this.#place = fields.place;
    this.#clock = fields.clock;
    this.#onLook = fields.onLook;
    this.#run = new ContainerRun(this.#place.plan, this.#place.slot, fields.clock, fields.sendTerm);
  }

  /** To be called once. */
  async live(): Promise<LifeEnd> {
    // That of the life before; nothing of it runs now.
    await removeTree(this.#place.statusPath);
    const over = new AbortController();
    const watching = this.#watch(over.signal);
    watching.catch(() => undefined); // It is awaited below, which may be long after it failed.
    try {
      const facts = await this.#run.run(this.#output, () => undefined);
      over.abort();
      await watching;
      const servedMs = this.#hasServed ? this.#servedMs : null;
      return { servedMs, how: endText(facts), failure: this.#failure, status: this.#status };
    } finally {
      over.abort();
    }
  }

  stop(): void {
    this.#run.stop('stopped');
  }

  /** Looks until it is over, and then once more. What has failed is made to end, and may tell more until it has. */
  async #watch(over: AbortSignal): Promise<void> {
    let lookedAtMs = this.#clock.uptimeMs();
    do {
      await sleep(this.#clock, this.#hasServed ? lookEveryMs.serving : lookEveryMs.beforeServing, over);
      // A command has no word in this.
      if (this.#spec.entry.kind === 'handler') this.#status = await readStatus(this.#place.statusPath);
      const now = this.#clock.uptimeMs();
      const verdict = await this.#judge(Math.min(now - lookedAtMs, longestStepMs));
      lookedAtMs = now;
      if (verdict.state === 'failed') this.stop();
      if (verdict.state === 'failed' || this.#failure !== undefined) {
        this.#failure = { ...(this.#failure ?? verdict), traceback: verdict.traceback };
      } else if (!over.aborted) {
        this.#onLook(verdict, this.#status);
      }
    } while (!over.aborted);
  }

  async #judge(stepMs: number): Promise<Verdict> {
    const { entry, port } = this.#spec;
    this.#idleMs += stepMs;
    const listening = await this.#listening();
    const { cgroup } = this.#place.slot;
    // There is none before the container, and after it.
    const cpuMsNow = cgroup.exists ? cgroup.cpuMs : 0;
    const cpuMs = cpuMsNow - this.#cpuMsBefore;
    const verdict = judge({ kind: entry.kind, port, listening, status: this.#status, idleMs: this.#idleMs, cpuMs });
    if (this.#hasServed) this.#servedMs += stepMs;
    if (verdict.state === 'serving') {
      this.#hasServed = true;
      this.#idleMs = 0;
      this.#cpuMsBefore = cpuMsNow;
    }
    return verdict;
  }

  /** Once it serves, the balancer in front sees best whether it still listens. */
  async #listening(): Promise<Listening> {
    if (this.#hasServed) return 'yes';
    const [pid] = this.#run.processes();
    if (pid === undefined) return 'no';
    return readListening(pid, this.#spec.protocol === 'udp' ? 'udp' : 'tcp', this.#spec.port);
  }
}

function endText(facts: RunFacts): string {
  const { message, exitCode, signal } = endingOf(facts);
  if (message !== '') return message;
  return signal === null ? `it ended with exit code ${exitCode}` : `it was ended by signal ${signal}`;
}
