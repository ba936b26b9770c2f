import type { EventView, PoolView, UsageView } from '../../protocol/api.ts';

type Sample = UsageView['samples'][number];

/** What `top` knows of one VM. */
export interface WatchedVm {
  readonly vm: string;
  readonly pool: string;
  readonly state: string;
  /** Oldest first, at most `keptSamples`. */
  readonly samples: readonly Sample[];
}

/** What `top` knows: shown as it is, whether by frame.ts or plain.ts. */
export interface TopState {
  readonly server: string;
  /** The server's time. */
  readonly nowMs: number;
  readonly pools: readonly PoolView[];
  readonly vms: readonly WatchedVm[];
  /** Jobs that wait, of all pools. */
  readonly queued: number;
  /** Oldest first, at most `keptEvents`. */
  readonly events: readonly EventView[];
  /** Why there is no news from the server; null when there is. */
  readonly trouble: string | null;
}

/** What the server answered at one time; samples are only those since the answer before. */
export interface Answer {
  readonly pools: readonly PoolView[];
  readonly usage: readonly UsageView[];
  readonly queued: number;
}

/** As many as the server keeps, a second each. */
export const keptSamples = 600;

/** A sample is of now for so long; there is one a second of a VM that runs. */
const currentMs = 5_000;
const keptEvents = 100;

/** The newest sample, if it is of now: a paused VM has none for as long as it sleeps. */
export function sampleOfNow({ samples }: WatchedVm, nowMs: number): Sample | undefined {
  const newest = samples.at(-1);
  return newest !== undefined && nowMs - newest.atMs <= currentMs ? newest : undefined;
}

/** Before the first answer. */
export function emptyState(server: string, nowMs: number): TopState {
  return { server, nowMs, pools: [], vms: [], queued: 0, events: [], trouble: null };
}

/** The state with an answer taken in. VMs that the answer does not have are gone. Pure. */
export function withAnswer(state: TopState, answer: Answer, nowMs: number): TopState {
  const vms = answer.usage.map(({ samples, ...facts }) => {
    const before = state.vms.find((known) => known.vm === facts.vm)?.samples ?? [];
    return { ...facts, samples: [...before, ...samples].slice(-keptSamples) };
  });
  const { pools, queued } = answer;
  return { ...state, nowMs, pools, vms, queued, trouble: null };
}

/** The state with an event added. Pure. */
export function withEvent(state: TopState, event: EventView): TopState {
  return { ...state, events: [...state.events, event].slice(-keptEvents) };
}

/** The newest time that an answer has; undefined when it has none. Samples and decisions are stamped by the server. */
export function newestStampMs({ pools, usage }: Answer): number | undefined {
  const stamps = [...usage.map((vm) => vm.samples.at(-1)?.atMs), ...pools.map((pool) => pool.decision?.atMs)].filter(
    (atMs) => atMs !== undefined,
  );
  return stamps.length === 0 ? undefined : Math.max(...stamps);
}
