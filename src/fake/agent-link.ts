import type { AgentAddress, AgentLink, AttemptOutput, Following } from '../domain/agent-link.ts';
import type { Clock } from '../domain/clock.ts';
import { type ErrorCode, TidepoolError } from '../domain/errors.ts';
import type { AgentHealth, AttemptReport, AttemptSpec } from '../protocol/agent.ts';
import type { FileEntry } from '../protocol/file-stream.ts';
import { FakeAgent } from './agent.ts';

/** Every call of the port that can be made to fail. */
export type AgentCall = Exclude<keyof AgentLink, 'close'>;

/**
 * What goes wrong: called before each call; an error code that it returns is thrown in place of the answer. Of `output`
 * and `files` the transfer is cut after it began.
 */
export type AgentFault = (call: AgentCall, agent: AgentAddress, attemptId: string) => ErrorCode | undefined;

/** AgentLink on agents in this process, which run the scripts of fake/script.ts in the clock's time. */
export class FakeAgentLink implements AgentLink {
  readonly #clock: Clock;
  readonly #agents = new Map<string, FakeAgent>();
  fault: AgentFault = () => undefined;
  /** Called when an attempt has begun to execute. */
  onExecuting: (id: string) => void = () => undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Puts an agent behind an address, as a VM does that boots. */
  boot(address: AgentAddress, facts: Partial<AgentHealth> = {}): FakeAgent {
    const agent = new FakeAgent(this.#clock, address, facts);
    this.#agents.set(place(address), agent);
    return agent;
  }

  /** Takes it away, as the VM's end does: connections break and nothing answers any more. */
  lose(address: AgentAddress): void {
    this.#agents.get(place(address))?.halt();
    this.#agents.delete(place(address));
  }

  /** Breaks the connections to an agent; its attempts go on, and it can be reached again at once. */
  disconnect(address: AgentAddress): void {
    this.#agents.get(place(address))?.disconnect();
  }

  /** Ids of the attempts that execute now, on all agents that are there. */
  executing(): string[] {
    const reports = [...this.#agents.values()].flatMap((agent) => agent.reports());
    return reports.filter(({ state }) => state === 'running').map(({ id }) => id);
  }

  async health(address: AgentAddress, signal?: AbortSignal, onContact?: () => void): Promise<AgentHealth> {
    const agent = this.#reach('health', address, '', signal);
    onContact?.();
    return agent.health();
  }

  async setClock(address: AgentAddress, clock: Clock, signal?: AbortSignal): Promise<AgentHealth> {
    const agent = this.#reach('setClock', address, '', signal);
    agent.setClock(clock.now());
    return agent.health();
  }

  async attempts(address: AgentAddress): Promise<AttemptReport[]> {
    return this.#reach('attempts', address, '').reports();
  }

  async *run(
    address: AgentAddress,
    spec: AttemptSpec,
    files: AsyncIterable<FileEntry> | Iterable<FileEntry>,
    following: Following = {},
  ): AttemptOutput {
    const agent = this.#reach('run', address, spec.id, following.signal);
    await agent.start(spec, files);
    if (agent.get(spec.id).report.state === 'running') this.onExecuting(spec.id);
    return yield* this.output(address, spec.id, 0, following);
  }

  async report(address: AgentAddress, id: string): Promise<AttemptReport> {
    return this.#reach('report', address, id).get(id).report;
  }

  async *output(address: AgentAddress, id: string, offset: number, following: Following = {}): AttemptOutput {
    const { signal } = following;
    const attempt = this.#reach('output', address, id, signal).get(id);
    if (attempt.report.state === 'running') following.onRunning?.();
    yield* attempt.output(offset, signal);
    this.#check('output', address, id, signal);
    return attempt.report;
  }

  async stop(address: AgentAddress, id: string): Promise<AttemptReport> {
    const attempt = this.#reach('stop', address, id).get(id);
    attempt.end('stopped', { signal: 15 });
    return attempt.report;
  }

  async files(address: AgentAddress, id: string, onFile: (file: FileEntry) => Promise<void>): Promise<void> {
    const attempt = this.#reach('files', address, id).get(id);
    for (const file of attempt.producedFiles()) {
      await onFile(file);
      this.#check('files', address, id);
    }
  }

  async remove(address: AgentAddress, ids: readonly string[]): Promise<void> {
    const agent = this.#reach('remove', address, ids.join());
    for (const id of ids) agent.remove(id);
  }

  async close(): Promise<void> {
    for (const agent of this.#agents.values()) agent.halt();
  }

  #reach(call: AgentCall, address: AgentAddress, id: string, signal?: AbortSignal): FakeAgent {
    if (call !== 'output' && call !== 'files') this.#check(call, address, id, signal);
    if (signal?.aborted === true) throw new TidepoolError('aborted', `${call} was given up`);
    const agent = this.#agents.get(place(address));
    if (agent === undefined || !agent.knows(address)) {
      throw new TidepoolError('unavailable', `no agent answers at ${place(address)}`);
    }
    agent.answers(address.workLeaseMs);
    return agent;
  }

  #check(call: AgentCall, address: AgentAddress, id: string, signal?: AbortSignal): void {
    if (signal?.aborted === true) throw new TidepoolError('aborted', `${call} was given up`);
    const code = this.fault(call, address, id);
    if (code !== undefined) throw new TidepoolError(code, `${call} was made to fail`);
  }
}

function place({ host, port }: AgentAddress): string {
  return `${host}:${port}`;
}
