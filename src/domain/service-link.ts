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
  /** What is kept of its output from `offset` on. Error: `invalid` when there is not that much: it is another log. */
  serviceOutput(agent: AgentAddress, id: string, offset: number): Promise<ServiceOutput>;
  /**
   * Answers what the VM's handlers ask of their store, many at a time. `answer` gets requests that came together, in their
   * order, and gives one answer each; its error ends it. Resolves soon after the signal fires, or when the agent ended it
   * because another call took its place. Rejects when the connection breaks, or is silent for half a minute, as that of a paused VM.
   */
  serveStore(
    agent: AgentAddress,
    answer: (requests: readonly StoreRequest[], relay: string | undefined) => Promise<StoreAnswer[]>,
    signal: AbortSignal,
  ): Promise<void>;
}

/** Some output of a service. */
export interface ServiceOutput {
  /** Where `bytes` begin in the log: later than asked for when the oldest is not kept any more. */
  readonly offset: number;
  /** Bytes of the frame log (protocol/output-frames.ts). */
  readonly bytes: Uint8Array;
}
