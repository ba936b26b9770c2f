import type { AgentHealth, AttemptReport, AttemptSpec } from '../protocol/agent.ts';
import type { FileEntry } from '../protocol/file-stream.ts';
import type { Clock } from './clock.ts';
import type { Vm } from './vm.ts';
import { joinedHost, workLeaseMs } from './worker.ts';

/** How to reach and authenticate one VM's agent. */
export interface AgentAddress {
  readonly host: string;
  readonly port: number;
  readonly keyId: string;
  /** 32 bytes. */
  readonly key: Uint8Array;
  /**
   * Set for an agent whose machine we cannot end: how long after an answer of it that we got its attempts may run. It ends
   * them by itself then. Milliseconds.
   */
  readonly workLeaseMs?: number | undefined;
}

/** Where a VM's agent is, once that is known. */
export function agentAddress(vm: Pick<Vm, 'host' | 'port' | 'keyId' | 'key'>): AgentAddress | undefined {
  if (vm.host === null || vm.port === null) return undefined;
  const address = { host: vm.host, port: vm.port, keyId: vm.keyId, key: vm.key };
  // No hypervisor can be asked whether a worker that joined by hand still runs.
  return vm.host === joinedHost ? { ...address, workLeaseMs } : address;
}

/** How an attempt's output is followed. */
export interface Following {
  /** Ends the following; the attempt goes on. */
  readonly signal?: AbortSignal | undefined;
  /** Called when it is known to run. Not called for one that has ended when it is asked for, or never runs. */
  onRunning?(): void;
}

/** Raw frame-log bytes; returns the report when the attempt ended and all is sent. */
export type AttemptOutput = AsyncGenerator<Uint8Array, AttemptReport>;

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
   * Starts an attempt and gives its output. Idempotent by `spec.id`: a known one is only followed. `files` is read once; it
   * is the working folder. Starts at the first `next`, and goes on whatever becomes of the following.
   */
  run(
    agent: AgentAddress,
    spec: AttemptSpec,
    files: AsyncIterable<FileEntry> | Iterable<FileEntry>,
    following?: Following,
  ): AttemptOutput;
  report(agent: AgentAddress, id: string): Promise<AttemptReport>;
  /** The output of a started attempt from byte `offset`. */
  output(agent: AgentAddress, id: string, offset: number, following?: Following): AttemptOutput;
  stop(agent: AgentAddress, id: string): Promise<AttemptReport>;
  /** Calls `onFile` for every produced file, each to be consumed before the next. Throws if the stream is cut. */
  files(agent: AgentAddress, id: string, onFile: (file: FileEntry) => Promise<void>): Promise<void>;
  /** Forgets attempts and frees their disk; ends those that run. Unknown ones are passed over. */
  remove(agent: AgentAddress, ids: readonly string[]): Promise<void>;
  close(): Promise<void>;
}
