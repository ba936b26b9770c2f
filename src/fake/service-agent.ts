import type { AgentAddress } from '../domain/agent-link.ts';
import type { Clock } from '../domain/clock.ts';
import { TidepoolError } from '../domain/errors.ts';
import type { ServiceReport, ServiceSpec } from '../protocol/agent-service.ts';
import type { FileEntry } from '../protocol/file-stream.ts';
import { readService } from './handler-script.ts';
import { RunningService } from './running-service.ts';
import { FakeStoreRelay } from './store-relay.ts';

export interface ServiceAgentFacts {
  readonly runtimes: readonly string[];
  /** From a service's start to its first statement. */
  readonly startMs: number;
}

/** The part of one VM's agent that is about services, without the VM. */
export class FakeServiceAgent {
  readonly relay: FakeStoreRelay;
  readonly #clock: Clock;
  readonly #address: AgentAddress;
  readonly #facts: ServiceAgentFacts;
  readonly #held = new Map<string, RunningService>();

  constructor(clock: Clock, address: AgentAddress, facts: Partial<ServiceAgentFacts>) {
    this.#clock = clock;
    this.#address = address;
    this.#facts = { runtimes: ['python'], startMs: 0, ...facts };
    this.relay = new FakeStoreRelay(clock);
  }

  knows({ keyId, key }: AgentAddress): boolean {
    return keyId === this.#address.keyId && Buffer.from(key).equals(this.#address.key);
  }

  reports(): ServiceReport[] {
    return [...this.#held.values()].map((service) => service.report);
  }

  /** Error: `not_found`. Its knobs: `crash`, `fail`, `change`, `print`. */
  get(id: string): RunningService {
    const service = this.#held.get(id);
    if (service === undefined) throw new TidepoolError('not_found', `this VM has no service ${id}`);
    return service;
  }

  async start(spec: ServiceSpec, files: AsyncIterable<FileEntry> | Iterable<FileEntry>): Promise<ServiceReport> {
    if (!this.#facts.runtimes.includes(spec.runtime))
      throw new TidepoolError('not_found', `this VM has no runtime ${spec.runtime}`);
    const known = this.#held.get(spec.id);
    if (known !== undefined) return known.report;
    this.#checkRoom(spec);
    const texts = await readTexts(files);
    if (spec.entry.kind === 'handler' && !texts.has(spec.entry.file))
      throw new TidepoolError('invalid', `${spec.entry.file} is not among the files`);
    const steps = readService(spec, texts);
    const { startMs } = this.#facts;
    const service = new RunningService({ spec, steps, clock: this.#clock, startMs, relay: this.relay });
    this.#held.set(spec.id, service);
    service.start();
    return service.report;
  }

  remove(id: string): void {
    this.get(id).end();
    this.#held.delete(id);
  }

  /** As after a kill -9 of the agent: nothing is left of its services. */
  restart(): void {
    for (const id of [...this.#held.keys()]) this.remove(id);
    this.relay.cut();
  }

  #checkRoom(spec: ServiceSpec): void {
    for (const { spec: other } of this.#held.values()) {
      if (other.service !== spec.service)
        throw new TidepoolError('conflict', `this VM is of the service ${other.service}, not of ${spec.service}`);
      if (other.port === spec.port) throw new TidepoolError('conflict', `port ${spec.port} is held by ${other.id}`);
    }
  }
}

async function readTexts(files: AsyncIterable<FileEntry> | Iterable<FileEntry>): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  for await (const file of files) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of file.content) chunks.push(chunk);
    texts.set(file.path, Buffer.concat(chunks).toString());
  }
  return texts;
}
