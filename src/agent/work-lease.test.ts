import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../fake/clock.ts';
import { WorkLease, watchLease } from './work-lease.ts';

test('without a permission ever given there is no limit', () => {
  const clock = new FakeClock();
  const lease = new WorkLease(() => clock.uptimeMs());
  for (const nothing of [undefined, '', 'soon', '-1', '1.5', '1e9', ['5']]) lease.heard(nothing);
  assert.equal(lease.isLapsed, false);
});

test('a permission runs out by the machine’s own uptime, whatever happens to its clock, and a later one renews it', async () => {
  const clock = new FakeClock();
  const lease = new WorkLease(() => clock.uptimeMs());
  lease.heard(String(lease.uptimeMs + 10_000));
  // A request that was overtaken does not take time away.
  lease.heard(String(lease.uptimeMs + 1_000));
  clock.jump(3_600_000);
  assert.equal(lease.isLapsed, false);
  await clock.advance(10_000);
  assert.equal(lease.isLapsed, false);
  await clock.advance(1);
  assert.equal(lease.isLapsed, true);
  clock.jump(-7_200_000);
  assert.equal(lease.isLapsed, true);
  lease.heard(String(lease.uptimeMs + 5_000));
  assert.equal(lease.isLapsed, false);
});

test('the agent looks once a second, and again at what was begun meanwhile', async () => {
  const clock = new FakeClock();
  const lease = new WorkLease(() => clock.uptimeMs());
  const over = new AbortController();
  let lapses = 0;
  const watching = watchLease(lease, clock, over.signal, () => {
    lapses += 1;
  });
  lease.heard(String(lease.uptimeMs + 2_500));
  await clock.advance(2_400);
  assert.equal(lapses, 0);
  await clock.advance(1_000);
  assert.equal(lapses, 1);
  await clock.advance(3_000);
  assert.equal(lapses, 4);
  over.abort();
  await watching;
});
