import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ServiceReport } from '../protocol/agent-service.ts';
import { ReportMemory } from './reports.ts';

const report = (fields: Partial<ServiceReport> = {}): ServiceReport => ({
  ...{ id: 'fib-1', port: 8_000, state: 'serving', message: '', traceback: '' },
  ...{ restarts: 0, inFlight: 0, requests: 0, errors: 0 },
  ...fields,
});

test('it is known since when a revision is in its state', () => {
  const memory = new ReportMemory('fib');
  assert.equal(memory.replace([report({ state: 'starting' })], 10), true);
  assert.equal(memory.replace([report({ state: 'starting', inFlight: 1 })], 20), false);
  assert.equal(memory.all[0]?.stateSinceMs, 10);
  assert.equal(memory.replace([report(), report({ id: 'fib-2', port: 8_001 })], 30), true);
  assert.deepEqual(
    memory.all.map(({ number, slot, stateSinceMs }) => [number, slot, stateSinceMs]),
    [
      [1, 0, 30],
      [2, 1, 30],
    ],
  );
  assert.equal(memory.replace([], 40), true);
});

test('what is not of the service, or has no port of ours, is not believed', () => {
  const memory = new ReportMemory('fib');
  const ids = ['other-1', 'fib-', 'fib-x', 'fib-01', 'fib-1e3', 'fib'];
  memory.replace([...ids.map((id) => report({ id })), report({ port: 22 })], 10);
  assert.deepEqual(memory.all, []);
});

test('pauses before another try grow to half a minute, and begin anew when it has served for a minute', () => {
  const memory = new ReportMemory('fib');
  let nowMs = 0;
  const failed = (): number => {
    memory.replace([report({ state: 'starting' })], nowMs);
    memory.replace([report({ state: 'failed' })], nowMs);
    return (memory.all[0]?.retryAtMs ?? 0) - nowMs;
  };
  assert.deepEqual(
    [failed(), failed(), failed(), failed(), failed(), failed()],
    [1_000, 2_000, 4_000, 8_000, 16_000, 30_000],
  );
  memory.replace([report()], nowMs);
  nowMs += 60_000;
  memory.replace([report({ state: 'failed' })], nowMs);
  assert.equal((memory.all[0]?.retryAtMs ?? 0) - nowMs, 1_000);
});

test('what the agent would not take counts as failed until it is forgotten', () => {
  const memory = new ReportMemory('fib');
  memory.replace([report()], 0);
  memory.refused(2, 1, 'no such runtime', 10);
  memory.replace([report()], 20);
  assert.deepEqual(
    memory.all.map(({ number, state, message }) => [number, state, message]),
    [
      [1, 'serving', ''],
      [2, 'failed', 'no such runtime'],
    ],
  );
  memory.forget(2);
  assert.equal(memory.all.length, 1);
});
