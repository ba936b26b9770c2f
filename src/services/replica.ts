import type { AgentAddress } from '../domain/agent-link.ts';
import { type BlobStore, checkBlob } from '../domain/blob-store.ts';
import { hasCode, toTidepoolError } from '../domain/errors.ts';
import type { Endpoint } from '../domain/hypervisor.ts';
import type { RevisionSpec, Service } from '../domain/service.ts';
import type { ServiceReport, ServiceSpec } from '../protocol/agent-service.ts';
import { servicePorts } from '../protocol/agent-service.ts';
import type { FileEntry } from '../protocol/file-stream.ts';
import { Backoff } from '../reconcile/backoff.ts';
import { type Loop, startLoop } from '../reconcile/loop.ts';
import { OwnParts, OwnTrouble, own } from '../reconcile/own-trouble.ts';
import type { ServiceContext } from './context.ts';
import { answerStoreRequests, StoreSource } from './key-values.ts';
import { type KnownReport, ReportMemory, revisionId } from './reports.ts';
import type { RolloutStep } from './rollout.ts';

const pollEveryMs = 1_000;
/** The agent answers as soon as a revision is no longer starting, or after this. */
const startWaitMs = 10_000;
const startPauseMs = 100;
const storePauseMs = 500;
/** Before a step that did not reach the agent is tried again. */
const retryPauseMs = 1_000;

export interface ReplicaOptions {
  readonly service: Pick<Service, 'name' | 'protocol'>;
  readonly vm: string;
  readonly agent: AgentAddress;
  /** Something about it has changed. */
  onChange(): void;
  /** Something of ours keeps it from getting a revision; undefined: not any more. */
  onTrouble(trouble: OwnTrouble | undefined): void;
}

/**
 * One VM's part in a service: asks its agent what it holds, carries out steps on it one at a time, and answers what its
 * handlers ask of their store.
 */
export class Replica {
  readonly #context: ServiceContext;
  readonly #options: ReplicaOptions;
  readonly #closing = new AbortController();
  readonly #reports: ReportMemory;
  readonly #trouble: Backoff;
  readonly #polling: Loop;
  readonly #storeServed: Promise<void>;
  #endpoints: readonly Endpoint[] | undefined;
  #step: Promise<void> | undefined;
  #asked = 0;
  #isHeard = false;
  #isSilent = false;

  constructor(context: ServiceContext, options: ReplicaOptions) {
    this.#context = context;
    this.#options = options;
    this.#reports = new ReportMemory(options.service.name);
    this.#trouble = new Backoff(`service on ${options.vm}`);
    this.#polling = startLoop({
      name: `services of ${options.vm}`,
      clock: context.clock,
      periodMs: pollEveryMs,
      step: () => this.#poll(),
      onError: (error) => this.#onSilence(error),
    });
    this.#storeServed = this.#serveStore();
  }

  get agent(): AgentAddress {
    return this.#options.agent;
  }

  /** What its agent holds, as it said last; undefined while it has not been heard. */
  get held(): readonly KnownReport[] | undefined {
    return this.#isHeard ? this.#reports.all : undefined;
  }

  /** Where a slot can be reached; undefined when it cannot. */
  endpoint(slot: 0 | 1): Endpoint | undefined {
    return this.#endpoints?.find((one) => one.name === endpointName(slot));
  }

  /** Takes the step in the background, unless one is under way. What comes of it is seen in `held`. */
  carryOut(step: RolloutStep, spec: RevisionSpec | undefined): void {
    if (this.#step !== undefined || this.#closing.signal.aborted) return;
    const work = step.kind === 'remove' ? this.#remove(step) : spec === undefined ? undefined : this.#start(step, spec);
    if (work === undefined) return;
    this.#step = work
      .then(() => this.#poll())
      .then(() => (this.#isTaken(step) ? undefined : this.#pause()))
      .catch((error: unknown) => this.#onUnreached(error))
      .finally(() => {
        this.#step = undefined;
        this.#options.onChange();
      });
  }

  /** Lets go of the VM as it is. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#polling.stop();
    await Promise.all([this.#step, this.#storeServed]);
  }

  async #poll(): Promise<void> {
    this.#asked += 1;
    const asked = this.#asked;
    this.#endpoints ??= await this.#context.endpoints(this.#options.vm);
    const reports = await this.#context.link.services(this.#options.agent);
    // An answer that was overtaken by a later question is older than what is known.
    if (asked === this.#asked && this.#endpoints !== undefined) this.#heard(reports);
  }

  #heard(reports: readonly ServiceReport[]): void {
    const isChanged = this.#reports.replace(reports, this.#context.clock.now());
    const isNews = isChanged || !this.#isHeard;
    this.#isHeard = true;
    this.#isSilent = false;
    if (isNews) this.#options.onChange();
  }

  /** The pool judges whether the VM still lives; what was known of it holds until then. */
  #onSilence(error: unknown): void {
    if (this.#closing.signal.aborted || this.#isSilent) return;
    this.#isSilent = true;
    this.#context.log(`service ${this.#options.service.name}: ${this.#options.vm}: ${toTidepoolError(error).message}`);
  }

  /** Whether the agent says that it has done what it was asked for; one that does not would be asked without end. */
  #isTaken({ kind, number }: RolloutStep): boolean {
    return this.#reports.all.some((one) => one.number === number) === (kind === 'start');
  }

  async #onUnreached(error: unknown): Promise<void> {
    if (error instanceof OwnTrouble) return this.#onTrouble(error);
    this.#onSilence(error);
    await this.#pause();
  }

  async #onTrouble(trouble: OwnTrouble): Promise<void> {
    const { clock, log } = this.#context;
    const { service, vm, onTrouble } = this.#options;
    log(`service ${service.name}: ${vm} waits for something of ours: ${trouble.message}`);
    onTrouble(trouble);
    const pauseMs = this.#trouble.failed(clock.uptimeMs());
    await clock.sleep(pauseMs, this.#closing.signal).catch(() => undefined);
  }

  /** Before the next step, so that trying again and again has a pace. */
  async #pause(): Promise<void> {
    await this.#context.clock.sleep(retryPauseMs, this.#closing.signal).catch(() => undefined);
  }

  async #start({ number, slot }: RolloutStep, spec: RevisionSpec): Promise<void> {
    const { link, blobs, clock } = this.#context;
    const { agent, service } = this.#options;
    const request = serviceSpec(service, number, slot, spec);
    const parts = new OwnParts();
    try {
      // Of files that are damaged or cannot be read the agent gets nothing.
      for (const { blob } of spec.files) await own(() => checkBlob(blobs, blob, this.#closing.signal));
      let report = await parts.call(() => link.startService(agent, request, parts.files(filesOf(spec, blobs))));
      this.#trouble.succeeded();
      this.#options.onTrouble(undefined);
      this.#asked += 1;
      while (report.state === 'starting' && !this.#closing.signal.aborted) {
        // An agent that does not hold the question must not be asked without end.
        await clock.sleep(startPauseMs, this.#closing.signal);
        report = await link.serviceReport(agent, request.id, startWaitMs, this.#closing.signal);
      }
    } catch (error) {
      if (this.#closing.signal.aborted) return;
      // Not reached, or not sent: it is tried again. An agent that refuses would do so again, so that counts as a failure.
      if (error instanceof OwnTrouble || hasCode(error, 'unavailable') || hasCode(error, 'timeout')) throw error;
      this.#reports.refused(number, slot, `it could not be started: ${toTidepoolError(error).message}`, clock.now());
    }
  }

  async #remove({ number }: RolloutStep): Promise<void> {
    this.#reports.forget(number);
    try {
      await this.#context.link.removeService(this.#options.agent, revisionId(this.#options.service.name, number));
    } catch (error) {
      if (!hasCode(error, 'not_found')) throw error;
    }
  }

  async #serveStore(): Promise<void> {
    const { link, clock, store } = this.#context;
    const { agent, service } = this.#options;
    const { signal } = this.#closing;
    const source = new StoreSource(clock);
    while (!signal.aborted) {
      try {
        await link.serveStore(
          agent,
          (requests, relay) => answerStoreRequests(store.keyValues, service.name, requests, source.from(relay)),
          signal,
        );
      } catch (error) {
        this.#onSilence(error);
      }
      await clock.sleep(storePauseMs, signal).catch(() => undefined);
    }
  }
}

/** Names the ports of a machine that lead to its two slots. */
export function endpointName(slot: 0 | 1): string {
  return `service-${servicePorts[slot]}`;
}

function serviceSpec(
  { name, protocol }: Pick<Service, 'name' | 'protocol'>,
  number: number,
  slot: 0 | 1,
  spec: RevisionSpec,
): ServiceSpec {
  const { runtime, entry, environment, processes, requestTimeoutMs, maxBodyBytes } = spec;
  return {
    id: revisionId(name, number),
    service: name,
    port: servicePorts[slot],
    ...{ protocol, runtime, entry, environment, processes, requestTimeoutMs, maxBodyBytes },
  };
}

async function* filesOf(spec: RevisionSpec, blobs: BlobStore): AsyncGenerator<FileEntry> {
  for (const { name, blob } of spec.files) {
    const { sizeBytes, content } = await blobs.read(blob);
    yield { path: name, size: sizeBytes, content };
  }
}
