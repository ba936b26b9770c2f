import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readyVm } from '../fake/vm.ts';
import { snapshotOf } from './observe.ts';
import { policiesNamed } from './presets.ts';
import { windowOf } from './window.ts';

test('samples are read as far back as policies look, and never from before a VM was ready', () => {
  const nowMs = 1_780_000_000_000;
  const asked: number[] = [];
  const look = (windowMs: number): void => {
    const pool = { min: 0, max: 9, warm: 0, policies: [], paused: false };
    const vms = [1_000, nowMs - 3_000].map((stateSinceMs) => readyVm({ stateSinceMs }));
    const backlog = { waiting: 0, perVm: 1, meanMs: null };
    const usages = (_vm: string, sinceMs: number) => {
      asked.push(nowMs - sinceMs);
      return [];
    };
    const seen = { pool: 'default', settings: pool, desired: 2, vms, backlog, bootMs: null, windowMs };
    snapshotOf({ ...seen, inFlight: () => 0, usages }, nowMs);
  };
  look(windowOf(policiesNamed(['mean30-80', 'backlog'])));
  look(windowOf(policiesNamed(['predict'])));
  assert.deepEqual(asked, [35_000, 3_000, 10_000, 3_000]);
});
