import type { PastRecommendation, PlannerMemory, Reason, Recommendation } from '../domain/scaling.ts';
import type { Policy } from './policy.ts';

/** A policy's recommendation after its windows and cooldowns, and what held it back. */
export interface Steadied {
  readonly recommendation: Recommendation;
  readonly limit: Reason | null;
}

/**
 * Applies the stabilisation windows as the HPA does (kubernetes `horizontal.go`, stabilizeRecommendationWithBehaviors):
 * growing takes the least of the window, shrinking the most. `memory` must have this recommendation already.
 */
export function steady(
  policy: Policy,
  recommendation: Recommendation,
  current: number,
  memory: PlannerMemory,
  nowMs: number,
): Steadied {
  const wanted = recommendation.desired;
  if (wanted === current) return { recommendation, limit: null };
  const isOut = wanted > current;
  const windowMs = isOut ? policy.stabiliseOutMs : policy.stabiliseInMs;
  let desired = wanted;
  let heldMs = nowMs;
  for (const past of memory.recommendations) {
    if (past.policy !== policy.name || past.untilMs <= nowMs - windowMs) continue;
    if (isOut ? past.desired >= desired : past.desired <= desired) continue;
    desired = past.desired;
    heldMs = past.untilMs;
  }
  // A recommendation of the other direction means that it stays, not that it turns round.
  desired = isOut ? Math.max(current, desired) : Math.min(current, desired);
  if (desired !== wanted) {
    const numbers = { sinceMs: nowMs - heldMs, windowMs, wanted, desired };
    const text = `Stabilising: ${seconds(nowMs - heldMs)} of ${seconds(windowMs)} (${policy.name} wants ${wanted})`;
    return { recommendation: { ...recommendation, desired }, limit: { code: 'Stabilising', text, numbers } };
  }
  return cooled(policy, recommendation, current, memory, nowMs);
}

function cooled(
  policy: Policy,
  recommendation: Recommendation,
  current: number,
  memory: PlannerMemory,
  nowMs: number,
): Steadied {
  const isOut = recommendation.desired > current;
  const lastMs = isOut ? memory.lastOutAtMs : latest(memory.lastOutAtMs, memory.lastInAtMs);
  const cooldownMs = isOut ? policy.cooldownOutMs : policy.cooldownInMs;
  if (lastMs === null || nowMs - lastMs >= cooldownMs) return { recommendation, limit: null };
  const sinceMs = nowMs - lastMs;
  const wanted = recommendation.desired;
  const text = `CoolingDown: ${seconds(sinceMs)} of ${seconds(cooldownMs)} (${policy.name} wants ${wanted})`;
  const limit = { code: 'CoolingDown', text, numbers: { sinceMs, cooldownMs, wanted } };
  return { recommendation: { ...recommendation, desired: current }, limit };
}

/** Times to come, left by a clock that was set back, count as now: windows begin anew and end in their time. */
export function notAfter(memory: PlannerMemory, nowMs: number): PlannerMemory {
  const cut = (atMs: number | null) => (atMs === null ? null : Math.min(atMs, nowMs));
  const isAhead = (atMs: number | null) => atMs !== null && atMs > nowMs;
  const last = memory.recommendations.some((past) => past.untilMs > nowMs);
  if (!last && !isAhead(memory.lastOutAtMs) && !isAhead(memory.lastInAtMs)) return memory;
  return {
    recommendations: memory.recommendations.map((past) => ({
      ...past,
      sinceMs: Math.min(past.sinceMs, nowMs),
      untilMs: Math.min(past.untilMs, nowMs),
    })),
    lastOutAtMs: cut(memory.lastOutAtMs),
    lastInAtMs: cut(memory.lastInAtMs),
  };
}

/** The memory as if all of it had been `ms` later. */
export function later(memory: PlannerMemory, ms: number): PlannerMemory {
  const moved = (atMs: number | null) => (atMs === null ? null : Math.max(0, atMs + ms));
  return {
    recommendations: memory.recommendations.map((past) => ({
      ...past,
      sinceMs: Math.max(0, past.sinceMs + ms),
      untilMs: Math.max(0, past.untilMs + ms),
    })),
    lastOutAtMs: moved(memory.lastOutAtMs),
    lastInAtMs: moved(memory.lastInAtMs),
  };
}

/** The memory with what the policies want now, and without what no window looks at any more. */
export function remember(
  memory: PlannerMemory,
  policies: readonly Policy[],
  recommendations: readonly Recommendation[],
  nowMs: number,
): PlannerMemory {
  const kept = new Map<string, PastRecommendation[]>();
  for (const policy of policies) {
    const sinceMs = nowMs - Math.max(policy.stabiliseInMs, policy.stabiliseOutMs);
    const own = memory.recommendations.filter((past) => past.policy === policy.name && past.untilMs > sinceMs);
    kept.set(policy.name, own);
  }
  for (const { policy, desired } of recommendations) {
    const own = kept.get(policy) ?? [];
    const last = own.at(-1);
    const isSame = last !== undefined && last.desired === desired;
    if (isSame) own.pop();
    own.push({ policy, sinceMs: isSame ? last.sinceMs : nowMs, untilMs: nowMs, desired });
    kept.set(policy, own);
  }
  return { ...memory, recommendations: [...kept.values()].flat() };
}

function latest(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b;
  return Math.max(a, b);
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1_000)} s`;
}
