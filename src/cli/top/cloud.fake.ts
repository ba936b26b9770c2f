import type { DecisionView, EventView, PoolView, UsageView } from '../../protocol/api.ts';

/** What a server with one busy pool answers, for tests. Times are around `exampleAtMs`. */
export const exampleAtMs = Date.UTC(2026, 0, 1, 12, 0, 0);

/** A pool that has just decided to grow. */
export function examplePool(name = 'default', changes: Partial<PoolView> = {}): PoolView {
  return {
    name,
    flavor: 'small',
    settings: { min: 1, max: 3, warm: 0, policies: ['window5-80-35'] },
    paused: false,
    counts: { desired: 2, ready: 1, warm: 0, booting: 1, draining: 0, failed: 0 },
    waitsFor: null,
    decision: exampleDecision(name),
    ...changes,
  };
}

/** The decision to grow from 1 to 2, by CPU above a threshold. */
export function exampleDecision(pool = 'default', changes: Partial<DecisionView> = {}): DecisionView {
  const numbers = { growAbove: 0.8, shrinkBelow: 0.35, windowMs: 5_000, cpu: 0.98 };
  const reason = { code: 'AboveThreshold', text: 'CPU 98 % over 5 s is above 80 %', numbers };
  const recommendations = [{ policy: 'window5-80-35', desired: 2, reason }];
  return { pool, atMs: exampleAtMs, from: 1, desired: 2, action: 'out', recommendations, limits: [], ...changes };
}

/** A VM with a sample a second, the newest now. */
export function exampleUsage(vm: string, cpu: readonly number[], changes: Partial<UsageView> = {}): UsageView {
  const samples = cpu.map((value, i) => ({
    atMs: exampleAtMs - (cpu.length - 1 - i) * 1_000,
    cpu: value,
    memoryBytes: 512 * 1024 ** 2,
    diskReadBytesPerSecond: 0,
    diskWriteBytesPerSecond: 0,
    networkReceiveBytesPerSecond: 0,
    networkTransmitBytesPerSecond: 0,
  }));
  return { vm, pool: 'default', state: 'ready', samples, ...changes };
}

/** A VM that is launched. */
export function exampleEvent(id: number, changes: Partial<EventView> = {}): EventView {
  const text = 'launching';
  return { id, atMs: exampleAtMs, name: 'vm.launching', pool: 'default', vm: 'vm-0001', text, data: {}, ...changes };
}
