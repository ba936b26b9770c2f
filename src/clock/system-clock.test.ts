import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../domain/errors.ts';
import { systemClock } from './system-clock.ts';

test('now is the time of the system', () => {
  const before = Date.now();
  const now = systemClock.now();
  assert.ok(now >= before && now <= Date.now());
});

test('sleep resolves after its time, and never before', async () => {
  const startedAt = process.hrtime.bigint();
  await systemClock.sleep(20);
  assert.ok(process.hrtime.bigint() - startedAt >= 19_000_000n);
});

test('sleep rejects with aborted, before and during the wait', async () => {
  await assert.rejects(systemClock.sleep(60_000, AbortSignal.abort()), (error) => hasCode(error, 'aborted'));
  const giveUp = new AbortController();
  const wait = systemClock.sleep(60_000, giveUp.signal);
  giveUp.abort();
  await assert.rejects(wait, (error) => hasCode(error, 'aborted'));
});

test('after runs once, and not at all when cancelled', async () => {
  const ran: string[] = [];
  const cancel = systemClock.after(5, () => ran.push('cancelled'));
  cancel();
  await new Promise<void>((resolve) => {
    systemClock.after(10, () => {
      ran.push('kept');
      resolve();
    });
    // `after` alone would let the process end.
    void systemClock.sleep(20);
  });
  assert.deepEqual(ran, ['kept']);
});

test('a wait longer than a timer can hold does not end at once', async () => {
  const giveUp = new AbortController();
  let ended = false;
  const wait = systemClock.sleep(2 ** 40, giveUp.signal).finally(() => {
    ended = true;
  });
  await systemClock.sleep(10);
  assert.equal(ended, false);
  giveUp.abort();
  await assert.rejects(wait);
});
