import type { Decision, PoolSnapshot } from '../domain/scaling.ts';

export const policyNames: readonly string[] = [];

export function planByName(snapshot: PoolSnapshot, _names: readonly string[], nowMs: number): Decision {
  const { pool, desired, memory } = snapshot;
  return { pool, atMs: nowMs, from: desired, desired, action: 'none', recommendations: [], limits: [], memory };
}
