import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EventView } from '../../protocol/api.ts';
import { failureAlertMs, keptEvents, openAlerts } from './alerts.ts';

const event = (id: number, name: string, fields: Partial<EventView> = {}): EventView => ({
  ...{ id, name, atMs: id, pool: 'default', vm: null, text: '', data: {} },
  ...fields,
});
const ids = (events: readonly EventView[], nowMs = 100): number[] => openAlerts(events, nowMs).map(({ id }) => id);

test('an alert is open until it is cleared, for its pool and VM only', () => {
  assert.deepEqual(ids([event(1, 'alert.raised')]), [1]);
  assert.deepEqual(ids([event(2, 'alert.cleared'), event(1, 'alert.raised')]), []);
  assert.deepEqual(ids([event(3, 'alert.raised'), event(2, 'alert.cleared'), event(1, 'alert.raised')]), [3]);
  assert.deepEqual(ids([event(2, 'alert.cleared', { pool: 'other' }), event(1, 'alert.raised')]), [1]);
  assert.deepEqual(ids([event(2, 'alert.cleared', { vm: 'a' }), event(1, 'alert.raised', { vm: 'b' })]), [1]);
});

test('a VM that failed is an alert for a while', () => {
  assert.deepEqual(ids([event(1, 'vm.failed', { vm: 'a' })]), [1]);
  assert.deepEqual(ids([event(1, 'vm.failed', { vm: 'a' })], failureAlertMs + 2), []);
});

test('events are kept up to a number, and the alerts before them', () => {
  const quiet = Array.from({ length: 600 }, (_, i) => event(1_000 - i, 'pool.decision'));
  const kept = keptEvents([...quiet, event(2, 'alert.raised'), event(1, 'vm.launched')]);
  assert.deepEqual([kept.length, kept[0]?.id, kept.at(-1)?.id], [501, 1_000, 2]);
  assert.deepEqual(keptEvents(kept), kept);
});
