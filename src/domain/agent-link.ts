import type { AgentHealth, AttemptReport, AttemptSpec } from '../protocol/agent.ts';
import type { FileEntry } from '../protocol/file-stream.ts';
import type { Clock } from './clock.ts';

/** How to reach and authenticate one VM's agent. */
export interface AgentAddress {
  readonly host: string;
  readonly port: number;
  readonly keyId: string;
  /** 32 bytes. */
  readonly key: Uint8Array;
}

/**
 * Port: the agents of the VMs. The control plane always dials. Every call has a deadline.
 * Errors: `unavailable` (cannot connect, connection lost, wrong key), `timeout`, `not_found` (unknown attempt),
 * `conflict`, `upstream` (an answer that is not of the protocol; a guest is never trusted).
 */
export interface AgentLink {
  /** @param onContact called as soon as anything of the agent arrived, which may be long before its answer */
  health(agent: AgentAddress, signal?: AbortSignal, onContact?: () => void): Promise<AgentHealth>;
  /** Sets the guest's clock to ours, within some milliseconds: that of a paused VM stands still. */
  setClock(agent: AgentAddress, clock: Clock, signal?: AbortSignal): Promise<AgentHealth>;
  attempts(agent: AgentAddress): Promise<AttemptReport[]>;
  /**
   * Idempotent by `spec.id`. `files` is read once; it is the working folder. The report is of when it runs or has ended, or
   * that it still prepares when that takes longer than some seconds.
   */
  start(
    agent: AgentAddress,
    spec: AttemptSpec,
    files: AsyncIterable<FileEntry> | Iterable<FileEntry>,
  ): Promise<AttemptReport>;
  /** The report now, or held while the attempt prepares and `waitMs` (at most 60,000) have not passed. */
  report(agent: AgentAddress, id: string, waitMs?: number, signal?: AbortSignal): Promise<AttemptReport>;
  /** Raw frame-log bytes from `offset`; returns the report when the attempt ended and all is sent. */
  output(
    agent: AgentAddress,
    id: string,
    offset: number,
    signal?: AbortSignal,
  ): AsyncGenerator<Uint8Array, AttemptReport>;
  stop(agent: AgentAddress, id: string): Promise<AttemptReport>;
  /** Calls `onFile` for every produced file, each to be consumed before the next. Throws if the stream is cut. */
  files(agent: AgentAddress, id: string, onFile: (file: FileEntry) => Promise<void>): Promise<void>;
  remove(agent: AgentAddress, id: string): Promise<void>;
  close(): Promise<void>;
}
