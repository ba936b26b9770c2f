import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Machine } from '../domain/hypervisor.ts';
import { FakeClock } from '../fake/clock.ts';
import { SharedList } from './shared-list.ts';

test('pools that ask at one time share a listing, which begins after they asked', async () => {
  const clock = new FakeClock();
  const begunAtMs: number[] = [];
  let isFailing = false;
  const list = async (): Promise<Machine[]> => {
    begunAtMs.push(clock.uptimeMs());
    if (isFailing) throw new Error('no answer');
    return [];
  };
  const shared = new SharedList({ list }, clock);
  const startMs = clock.uptimeMs();
  await Promise.all([shared.list(), shared.list(), shared.list()]);
  assert.deepEqual(begunAtMs, [startMs]);
  // The first began before these asked.
  const later = Promise.all([shared.list(), shared.list()]);
  await clock.advance(499);
  assert.equal(begunAtMs.length, 1);
  await clock.advance(1);
  await later;
  assert.deepEqual(begunAtMs, [startMs, startMs + 500]);
  isFailing = true;
  await clock.advance(500);
  await assert.rejects(shared.list());
  isFailing = false;
  await clock.advance(500);
  await shared.list();
  assert.equal(begunAtMs.length, 4, 'a listing that failed does not stand in the way');
});
