import type { Revision } from '../domain/service.ts';
import { type ServiceReport, servicePorts } from '../protocol/agent-service.ts';
import type { HeldRevision, Slot } from './held.ts';

const firstPauseMs = 1_000;
const longestPauseMs = 30_000;
/** One that has served for so long has not failed at its start. */
const provenMs = 60_000;

/** What is known of a revision on a VM. */
export interface KnownReport extends Omit<HeldRevision, 'traffic' | 'trafficSinceMs'> {
  /** As of the agent; null where it does not know. */
  readonly inFlight: number | null;
  readonly requests: number | null;
  readonly errors: number | null;
}

/** The id under which an agent holds a revision. */
export function revisionId(service: string, number: Revision['number']): string {
  return `${service}-${number}`;
}

/**
 * What one VM's agent reports, and since when it is so. What fails again and again is to be started again after pauses of
 * 1, 2, 4 ... 30 seconds. Pure but for its memory.
 */
export class ReportMemory {
  readonly #service: string;
  readonly #failures = new Map<number, number>();
  #known: readonly KnownReport[] = [];
  /** Those that the agent would not even take. */
  #refused: readonly KnownReport[] = [];

  constructor(service: string) {
    this.#service = service;
  }

  get all(): readonly KnownReport[] {
    return [...this.#known, ...this.#refused];
  }

  /** Takes in what the agent holds now. Says whether a revision came, went, or changed its state. */
  replace(reports: readonly ServiceReport[], nowMs: number): boolean {
    const before = this.#known;
    this.#known = reports.flatMap((report) => this.#read(report, nowMs) ?? []);
    const signature = (all: readonly KnownReport[]) => all.map(({ number, state }) => `${number} ${state}`).join();
    return signature(before) !== signature(this.#known);
  }

  /** The agent did not take a revision: it counts as failed there. */
  refused(number: number, slot: Slot, message: string, nowMs: number): void {
    const counts = { restarts: 0, inFlight: 0, requests: 0, errors: 0 };
    const retryAtMs = nowMs + this.#pauseMs(number);
    const state = { state: 'failed' as const, stateSinceMs: nowMs, retryAtMs, message, traceback: '' };
    this.forget(number);
    this.#refused = [...this.#refused, { number, slot, ...state, ...counts }];
  }

  forget(number: number): void {
    this.#refused = this.#refused.filter((one) => one.number !== number);
  }

  /** Undefined for what is not of this service: an agent holds nothing else, and one that says so is not believed. */
  #read(report: ServiceReport, nowMs: number): KnownReport | undefined {
    const number = Number(report.id.slice(this.#service.length + 1));
    const slot = servicePorts.indexOf(report.port);
    if (report.id !== revisionId(this.#service, number) || (slot !== 0 && slot !== 1)) return undefined;
    const { state, message, traceback, restarts, inFlight, requests, errors } = report;
    const last = this.#known.find((one) => one.number === number);
    const isSame = last?.state === state;
    const hasServed = last?.state === 'serving' && nowMs - last.stateSinceMs >= provenMs;
    if (!isSame && hasServed) this.#failures.delete(number);
    const retryAtMs = isSame ? last.retryAtMs : state === 'failed' ? nowMs + this.#pauseMs(number) : 0;
    const since = { stateSinceMs: isSame ? last.stateSinceMs : nowMs, retryAtMs };
    return { number, slot, state, message, traceback, restarts, inFlight, requests, errors, ...since };
  }

  #pauseMs(number: number): number {
    const failures = this.#failures.get(number) ?? 0;
    this.#failures.set(number, failures + 1);
    return Math.min(longestPauseMs, firstPauseMs * 2 ** failures);
  }
}
