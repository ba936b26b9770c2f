import type { ServiceReport, ServiceSpec, StoreAnswer, StoreRequest } from '../protocol/agent-service.ts';
import type { FileEntry } from '../protocol/file-stream.ts';
import type { AgentAddress } from './agent-link.ts';

/**
 * Port: services on the VMs, by way of their agents (protocol/agent-service.ts). Errors as those of AgentLink.
 * Implementations: `agentlink/` (real), `fake/service-link.ts`.
 */
export interface ServiceLink {
  /** Idempotent by `spec.id`. `files` is read once; it is the working folder. */
  startService(
    agent: AgentAddress,
    spec: ServiceSpec,
    files: AsyncIterable<FileEntry> | Iterable<FileEntry>,
  ): Promise<ServiceReport>;
  services(agent: AgentAddress): Promise<ServiceReport[]>;
  /** The report now, or held until it is no longer `starting` or `waitMs` (at most 60,000) passed. */
  serviceReport(agent: AgentAddress, id: string, waitMs?: number, signal?: AbortSignal): Promise<ServiceReport>;
  removeService(agent: AgentAddress, id: string): Promise<void>;
  /** Raw frame-log bytes of what is kept from `offset` on. */
  serviceOutput(agent: AgentAddress, id: string, offset: number): AsyncIterable<Uint8Array>;
  /**
   * Answers what the VM's handlers ask of their store, many at a time, until the connection ends or the signal fires.
   * `answer` gets requests that came together, in their order, and gives one answer each.
   */
  serveStore(
    agent: AgentAddress,
    answer: (requests: readonly StoreRequest[]) => Promise<StoreAnswer[]>,
    signal: AbortSignal,
  ): Promise<void>;
}
