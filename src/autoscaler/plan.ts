import type { Decision, PoolSnapshot, Reason, Recommendation } from '../domain/scaling.ts';
import { notAfter, remember, steady } from './memory.ts';
import { missingInput } from './missing.ts';
import { backlog } from './policies/backlog.ts';
import { predict } from './policies/predict.ts';
import { schedule } from './policies/schedule.ts';
import { target } from './policies/target.ts';
import { threshold } from './policies/threshold.ts';
import type { Policy } from './policy.ts';

/**
 * How many VMs a pool should have, and why. Pure: the same snapshot, policies and time give the same decision, live, in a
 * dry run and in the simulator. The largest recommendation wins, so shrinking needs all policies. Without policies the
 * pool stays as it is. The caller keeps `decision.memory` and hands it in with the next snapshot.
 */
export function plan(seen: PoolSnapshot, policies: readonly Policy[], nowMs: number): Decision {
  const snapshot = { ...seen, memory: notAfter(seen.memory, nowMs) };
  const current = snapshot.desired;
  const wanted = policies.map((policy) => knowing(policy, recommend(policy, snapshot, nowMs), snapshot, nowMs));
  const memory = remember(snapshot.memory, policies, wanted, nowMs);
  const limits: Reason[] = [];
  const recommendations = policies.flatMap((policy, i) => {
    const own = wanted[i];
    if (own === undefined) return [];
    const { recommendation, limit } = steady(policy, own, current, memory, nowMs);
    if (limit !== null) limits.push(limit);
    return [recommendation];
  });
  recommendations.sort((a, b) => b.desired - a.desired);
  const isSeen = wanted.some((own) => own.desired > 0);
  const start = firstVm(snapshot, recommendations[0]?.desired ?? current, isSeen);
  const within = bounded(snapshot, start.desired);
  for (const limit of [start.limit, within.limit]) if (limit !== null) limits.push(limit);
  const { desired } = within;
  const action = desired > current ? 'out' : desired < current ? 'in' : 'none';
  return {
    pool: snapshot.pool,
    atMs: nowMs,
    from: current,
    desired,
    action,
    recommendations,
    limits,
    memory: {
      ...memory,
      lastOutAtMs: action === 'out' ? nowMs : memory.lastOutAtMs,
      lastInAtMs: action === 'in' ? nowMs : memory.lastInAtMs,
    },
  };
}

function recommend(policy: Policy, snapshot: PoolSnapshot, nowMs: number): Recommendation {
  switch (policy.kind) {
    case 'threshold':
      return threshold(policy, snapshot, nowMs);
    case 'target':
      return target(policy, snapshot, nowMs);
    case 'backlog':
      return backlog(policy, snapshot);
    case 'schedule':
      return schedule(policy, snapshot, nowMs);
    case 'predict':
      return predict(policy, snapshot, nowMs);
  }
}

/** A policy that lacks a part of what it reads does not shrink the pool. */
function knowing(policy: Policy, wanted: Recommendation, snapshot: PoolSnapshot, nowMs: number): Recommendation {
  if (wanted.desired >= snapshot.desired) return wanted;
  const missing = missingInput(policy, snapshot, nowMs);
  if (missing === null) return wanted;
  const numbers = { ...wanted.reason.numbers, ...missing.numbers };
  return { ...wanted, desired: snapshot.desired, reason: { ...missing, numbers } };
}

interface Limited {
  readonly desired: number;
  readonly limit: Reason | null;
}

/** A pool without VMs has no CPU to look at; work that no policy sees is then reason enough for the first. */
function firstVm(snapshot: PoolSnapshot, desired: number, isSeen: boolean): Limited {
  const { waiting } = snapshot.backlog;
  if (isSeen || desired > 0 || waiting === null || waiting <= 0) return { desired, limit: null };
  return {
    desired: 1,
    limit: { code: 'WorkWaits', text: `WorkWaits: ${waiting} for the first VM`, numbers: { waiting } },
  };
}

/** The bounds hold whatever windows and cooldowns say: a pool outside of them comes back at once. */
function bounded(snapshot: PoolSnapshot, wanted: number): Limited {
  const { min, max } = snapshot;
  if (wanted > max) {
    const text = `ScalingLimited: at max ${max} (wanted ${wanted})`;
    return { desired: max, limit: { code: 'ScalingLimited', text, numbers: { max, wanted } } };
  }
  if (wanted < min) {
    const text = `ScalingLimited: at min ${min} (wanted ${wanted})`;
    return { desired: min, limit: { code: 'ScalingLimited', text, numbers: { min, wanted } } };
  }
  return { desired: wanted, limit: null };
}
