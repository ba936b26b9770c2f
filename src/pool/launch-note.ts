import type { PoolNote } from '../domain/pool.ts';
import { launchNeeds, type Refusal } from './admission.ts';

/**
 * What a pool knows of its earlier launches. Times are ages and waits as of when it was written down: neither the time for which
 * no server ran, nor a clock that was set meanwhile, counts for anything.
 */
export interface LaunchPast {
  /** Failures in a row, and how long the next launch still had to wait. */
  readonly failures: number;
  readonly waitMs: number;
  /** Ages of the VMs' failures that the 20 % rule counts. */
  readonly failedAgesMs: readonly number[];
  /** Failed VMs that were counted and were not removed yet, each with the time of its launch. */
  readonly counted: readonly (readonly [name: string, createdAtMs: number])[];
  /** The alerts that were raised and not cleared. */
  readonly isUnhealthy: boolean;
  readonly lacks: Refusal['lacks'] | null;
  /** How long the last VMs took from their launch until they answered, oldest first. */
  readonly bootTimesMs: readonly number[];
}

/** Changes whenever an older reader would misread the body. */
const format = 1;
const mostEntries = 1_000;

/** Returns the note of what a pool knows of its launches. */
export function launchNote(past: LaunchPast, nowMs: number): PoolNote {
  const failedAgesMs = past.failedAgesMs.slice(-mostEntries).map(Math.round);
  const body = { ...past, waitMs: Math.round(past.waitMs), failedAgesMs, counted: past.counted.slice(-mostEntries) };
  return { format, savedAtMs: nowMs, body };
}

/** Reads a note; undefined for one of another format. A field that is not as it should be counts as nothing known. */
export function launchPastOf(note: PoolNote | undefined): LaunchPast | undefined {
  if (note?.format !== format || typeof note.body !== 'object' || note.body === null) return undefined;
  const body = note.body as Partial<Record<keyof LaunchPast, unknown>>;
  const { lacks } = body;
  return {
    failures: amount(body.failures) ?? 0,
    waitMs: amount(body.waitMs) ?? 0,
    failedAgesMs: amounts(body.failedAgesMs),
    counted: list(body.counted).flatMap((one) => {
      const [name, createdAtMs] = list(one);
      return typeof name === 'string' && typeof createdAtMs === 'number' ? [[name, createdAtMs] as const] : [];
    }),
    isUnhealthy: body.isUnhealthy === true,
    lacks: launchNeeds.find((one) => one === lacks) ?? null,
    bootTimesMs: amounts(body.bootTimesMs),
  };
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value.slice(-mostEntries) : [];
}

function amounts(value: unknown): number[] {
  return list(value).flatMap((one) => amount(one) ?? []);
}

function amount(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined;
}
