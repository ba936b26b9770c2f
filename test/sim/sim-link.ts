import type { AgentAddress, AgentLink, AttemptOutput, Following } from '../../src/domain/agent-link.ts';
import type { Clock } from '../../src/domain/clock.ts';
import { TidepoolError } from '../../src/domain/errors.ts';
import type { AgentHealth, AttemptReport, AttemptSpec } from '../../src/protocol/agent.ts';
import type { FileEntry } from '../../src/protocol/file-stream.ts';

/** What the link asks of the world it runs through. */
export interface Wire {
  /** Milliseconds that a call is on its way. */
  latencyMs(): number;
  /** Whether nothing behind this address answers, though connections stay open. */
  isSilent(agent: AgentAddress): boolean;
}

const callLimitMs = 30_000;
const lookEveryMs = 100;

/** An AgentLink to guests that may be slow, paused or dead: as on a real wire, silence lasts until a time limit. */
export class SimLink implements AgentLink {
  readonly #inner: AgentLink;
  readonly #clock: Clock;
  readonly #wire: Wire;

  constructor(inner: AgentLink, clock: Clock, wire: Wire) {
    this.#inner = inner;
    this.#clock = clock;
    this.#wire = wire;
  }

  async health(agent: AgentAddress, signal?: AbortSignal, onContact?: () => void): Promise<AgentHealth> {
    await this.#reach(agent, signal);
    return this.#inner.health(agent, signal, onContact);
  }

  async setClock(agent: AgentAddress, clock: Clock, signal?: AbortSignal): Promise<AgentHealth> {
    await this.#reach(agent, signal);
    return this.#inner.setClock(agent, clock, signal);
  }

  async attempts(agent: AgentAddress): Promise<AttemptReport[]> {
    await this.#reach(agent);
    return this.#inner.attempts(agent);
  }

  async *run(
    agent: AgentAddress,
    spec: AttemptSpec,
    files: AsyncIterable<FileEntry> | Iterable<FileEntry>,
    following: Following = {},
  ): AttemptOutput {
    await this.#reach(agent, following.signal);
    return yield* this.#inner.run(agent, spec, files, following);
  }

  async report(agent: AgentAddress, id: string): Promise<AttemptReport> {
    await this.#reach(agent);
    return this.#inner.report(agent, id);
  }

  async *output(agent: AgentAddress, id: string, offset: number, following: Following = {}): AttemptOutput {
    await this.#reach(agent, following.signal);
    return yield* this.#inner.output(agent, id, offset, following);
  }

  async stop(agent: AgentAddress, id: string): Promise<AttemptReport> {
    await this.#reach(agent);
    return this.#inner.stop(agent, id);
  }

  async files(agent: AgentAddress, id: string, onFile: (file: FileEntry) => Promise<void>): Promise<void> {
    await this.#reach(agent);
    await this.#inner.files(agent, id, onFile);
  }

  async remove(agent: AgentAddress, ids: readonly string[]): Promise<void> {
    await this.#reach(agent);
    await this.#inner.remove(agent, ids);
  }

  async close(): Promise<void> {}

  async #reach(agent: AgentAddress, signal?: AbortSignal): Promise<void> {
    const endMs = this.#clock.uptimeMs() + callLimitMs;
    await this.#clock.sleep(this.#wire.latencyMs(), signal);
    while (this.#wire.isSilent(agent)) {
      if (this.#clock.uptimeMs() >= endMs) throw new TidepoolError('timeout', 'the agent did not answer');
      await this.#clock.sleep(lookEveryMs, signal);
    }
  }
}
