import { z } from 'zod';
import type { PoolNote } from '../domain/pool.ts';
import type { LoadSample, PastRecommendation, PlannerMemory } from '../domain/scaling.ts';
import { later } from './memory.ts';
import type { Policy } from './policy.ts';

/** What the planner knows of the past. */
export interface Past {
  readonly memory: PlannerMemory;
  /** Oldest first. */
  readonly loads: readonly LoadSample[];
}

/** Changes whenever an older reader would misread the body. */
const format = 1;
/** Loads that are written down: as much as a trend needs by default, twice. */
const mostLoads = 600;
const mostRecommendations = 1_000;
/** A load in the note is exact to this. */
const loadDigits = 4;

const time = z.int().min(0);
const bodySchema = z.object({
  recommendations: z.array(z.tuple([z.string(), time, time, z.int().min(0)])).max(mostRecommendations),
  lastOutAtMs: time.nullable(),
  lastInAtMs: time.nullable(),
  /** Each with its age in the note, in milliseconds. */
  loads: z.array(z.tuple([z.number(), z.number().min(0)])).max(mostLoads),
});

/** Returns the note of what the planner knows. Its size is bounded, whatever the windows are. */
export function noteOf({ memory, loads }: Past, nowMs: number): PoolNote {
  const body: z.input<typeof bodySchema> = {
    recommendations: decisive(memory.recommendations)
      .slice(-mostRecommendations)
      .map((past) => [past.policy, past.sinceMs, past.untilMs, past.desired]),
    lastOutAtMs: memory.lastOutAtMs,
    lastInAtMs: memory.lastInAtMs,
    loads: loads.slice(-mostLoads).map(({ atMs, load }) => [nowMs - atMs, Number(load.toFixed(loadDigits))]),
  };
  return { format, savedAtMs: nowMs, body };
}

/**
 * Reads a note, or returns undefined for one of another format or one that does not parse. The time for which the server was
 * away counts for nobody: windows and cooldowns go on where they were. Loads keep their times, since the load went on
 * meanwhile; those that cannot be right by the clock are left out.
 */
export function pastOf(note: PoolNote | undefined, nowMs: number): Past | undefined {
  if (note === undefined || note.format !== format) return undefined;
  const parsed = bodySchema.safeParse(note.body);
  if (!parsed.success) return undefined;
  const { recommendations, lastOutAtMs, lastInAtMs, loads } = parsed.data;
  const memory: PlannerMemory = {
    recommendations: recommendations.map(([policy, sinceMs, untilMs, desired]) => {
      return { policy, sinceMs, untilMs, desired };
    }),
    lastOutAtMs,
    lastInAtMs,
  };
  // A clock that was set back makes all of them times to come.
  const isAhead = note.savedAtMs > nowMs;
  return {
    memory: later(memory, nowMs - note.savedAtMs),
    loads: isAhead ? [] : loads.map(([ageMs, load]) => ({ atMs: note.savedAtMs - ageMs, load })),
  };
}

/**
 * The memory with a beginning for each policy that it knows nothing of: as if the policy had wanted the present size now,
 * and as if the pool had just changed. So a server without a note, or a pool that is given another policy, shrinks
 * nothing before the windows and cooldowns have passed once.
 */
export function begun(
  memory: PlannerMemory,
  policies: readonly string[],
  desired: number,
  nowMs: number,
): PlannerMemory {
  const unknown = policies.filter((name) => !memory.recommendations.some(({ policy }) => policy === name));
  if (unknown.length === 0) return memory;
  const present = unknown.map((policy): PastRecommendation => ({ policy, sinceMs: nowMs, untilMs: nowMs, desired }));
  return { ...memory, recommendations: [...memory.recommendations, ...present], lastInAtMs: nowMs };
}

/** The policies whose decisions depend on what was a while ago. */
export function readsLoads(policies: readonly Policy[]): boolean {
  return policies.some(({ kind }) => kind === 'predict');
}

/**
 * Without the recommendations that no window can take: a later one of the same policy is as large, and a later one is as
 * small. What is left is a few, however much a policy wavered.
 */
function decisive(recommendations: readonly PastRecommendation[]): PastRecommendation[] {
  const range = new Map<string, { least: number; most: number }>();
  const kept: PastRecommendation[] = [];
  for (const past of recommendations.toReversed()) {
    const later = range.get(past.policy) ?? { least: Number.POSITIVE_INFINITY, most: Number.NEGATIVE_INFINITY };
    if (past.desired >= later.least && past.desired <= later.most) continue;
    range.set(past.policy, {
      least: Math.min(later.least, past.desired),
      most: Math.max(later.most, past.desired),
    });
    kept.push(past);
  }
  return kept.reverse();
}
