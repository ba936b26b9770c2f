import type { AgentAddress } from '../domain/agent-link.ts';
import type { Clock } from '../domain/clock.ts';
import { type ErrorCode, TidepoolError } from '../domain/errors.ts';
import type { ServiceLink, ServiceOutput } from '../domain/service-link.ts';
import type { ServiceReport, ServiceSpec, StoreAnswer, StoreRequest } from '../protocol/agent-service.ts';
import type { FileEntry } from '../protocol/file-stream.ts';
import { FakeServiceAgent, type ServiceAgentFacts } from './service-agent.ts';

/** What goes wrong: called before each call; an error code that it returns is thrown in place of the answer. */
export type ServiceFault = (call: keyof ServiceLink, agent: AgentAddress, serviceId: string) => ErrorCode | undefined;

/** ServiceLink on agents in this process, which run what fake/handler-script.ts understands in the clock's time. */
export class FakeServiceLink implements ServiceLink {
  readonly #clock: Clock;
  readonly #agents = new Map<string, FakeServiceAgent>();
  fault: ServiceFault = () => undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Puts an agent behind an address, as a VM does that boots. */
  boot(address: AgentAddress, facts: Partial<ServiceAgentFacts> = {}): FakeServiceAgent {
    const agent = new FakeServiceAgent(this.#clock, address, facts);
    this.#agents.set(place(address), agent);
    return agent;
  }

  /** Takes it away, as the VM's end does: connections break and nothing answers any more. */
  lose(address: AgentAddress): void {
    this.#agents.get(place(address))?.relay.cut();
    this.#agents.delete(place(address));
  }

  async startService(
    address: AgentAddress,
    spec: ServiceSpec,
    files: AsyncIterable<FileEntry> | Iterable<FileEntry>,
  ): Promise<ServiceReport> {
    return this.#reach('startService', address, spec.id).start(spec, files);
  }

  async services(address: AgentAddress): Promise<ServiceReport[]> {
    return this.#reach('services', address, '').reports();
  }

  async serviceReport(address: AgentAddress, id: string, waitMs = 0, signal?: AbortSignal): Promise<ServiceReport> {
    const service = this.#reach('serviceReport', address, id, signal).get(id);
    await service.untilStarted(Math.min(waitMs, 60_000), signal);
    if (signal?.aborted === true) throw new TidepoolError('aborted', 'serviceReport was given up');
    return service.report;
  }

  async removeService(address: AgentAddress, id: string): Promise<void> {
    this.#reach('removeService', address, id).remove(id);
  }

  async serviceOutput(address: AgentAddress, id: string, offset: number): Promise<ServiceOutput> {
    return this.#reach('serviceOutput', address, id).get(id).output(offset);
  }

  async serveStore(
    address: AgentAddress,
    answer: (requests: readonly StoreRequest[], relay: string | undefined) => Promise<StoreAnswer[]>,
    signal: AbortSignal,
  ): Promise<void> {
    if (!signal.aborted) await this.#reach('serveStore', address, '').relay.serve(answer, signal);
  }

  #reach(call: keyof ServiceLink, address: AgentAddress, id: string, signal?: AbortSignal): FakeServiceAgent {
    if (signal?.aborted === true) throw new TidepoolError('aborted', `${call} was given up`);
    const code = this.fault(call, address, id);
    if (code !== undefined) throw new TidepoolError(code, `${call} was made to fail`);
    const agent = this.#agents.get(place(address));
    if (agent?.knows(address) === true) return agent;
    throw new TidepoolError('unavailable', `no agent answers at ${place(address)}`);
  }
}

function place({ host, port }: AgentAddress): string {
  return `${host}:${port}`;
}
