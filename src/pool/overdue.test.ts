import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jobHandoverMs, type VmState, vmStates } from '../domain/vm.ts';
import { overdue } from './overdue.ts';

const since = (state: VmState, ms: number, timeoutsMs: readonly number[] = [], isBusy = false): string | undefined => {
  const jobs = timeoutsMs.map((timeoutMs) => ({ timeoutMs }));
  return overdue({ state, stateSinceMs: 1_000 }, jobs, 1_000 + ms, isBusy);
};

test('creating and booting end after their time', () => {
  assert.equal(since('creating', 59_999), undefined);
  assert.match(since('creating', 60_000) ?? '', /60 s/);
  assert.equal(since('booting', 179_999), undefined);
  assert.match(since('booting', 180_000) ?? '', /180 s/);
});

test('a boot whose machine computes may last four times as long, as on a host with too much to do', () => {
  assert.equal(since('booting', 719_999, [], true), undefined);
  assert.match(since('booting', 720_000, [], true) ?? '', /720 s/);
  assert.match(since('creating', 60_000, [], true) ?? '', /60 s/);
});

test('a drain may last as long as the longest of its jobs may, and some time for what they bring and leave', () => {
  const hourMs = 3_600_000;
  assert.equal(since('draining', 5 * hourMs + jobHandoverMs - 1, [hourMs, 5 * hourMs]), undefined);
  assert.match(since('draining', 5 * hourMs + jobHandoverMs, [hourMs, 5 * hourMs]) ?? '', /360 min/);
  assert.ok((vmStates.draining.maxMs ?? 0) > 7 * 24 * hourMs);
});

test('VMs in service, kept warm or being removed are not given up for their age', () => {
  for (const state of ['ready', 'warm', 'stopping', 'failed'] as const) assert.equal(since(state, 1e12), undefined);
});
