import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Backoff, Backoffs } from './backoff.ts';

const plainPausesMs = [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000];

test('pauses double up to the longest one, each with at most a fifth of jitter', () => {
  const backoff = new Backoff('vm a');
  for (const plainMs of plainPausesMs) {
    const pauseMs = backoff.failed(0);
    assert.ok(pauseMs >= 0.8 * plainMs && pauseMs <= 1.2 * plainMs, `${pauseMs} ms where ${plainMs} ms is plain`);
  }
  assert.equal(backoff.failures, plainPausesMs.length);
});

test('a success begins anew', () => {
  const backoff = new Backoff('vm a');
  const firstMs = backoff.failed(0);
  backoff.failed(0);
  backoff.succeeded();
  assert.equal(backoff.mayTry(0), true);
  assert.equal(backoff.failed(0), firstMs);
});

test('a try must wait for the whole pause and no longer', () => {
  const backoff = new Backoff('vm a');
  assert.equal(backoff.mayTry(5_000), true);
  const pauseMs = backoff.failed(5_000);
  assert.equal(backoff.mayTry(5_000 + pauseMs - 1), false);
  assert.equal(Math.round(backoff.waitMs(5_000 + pauseMs - 600)), 600);
  assert.equal(backoff.mayTry(5_000 + pauseMs), true);
  assert.equal(backoff.waitMs(9_000), 0);
});

test('many names that fail together spread over the whole jitter, and a name waits the same in each run', () => {
  const pauses = Array.from({ length: 1_000 }, (_, index) => new Backoff(`worker ${index}`).failed(0));
  assert.ok(Math.min(...pauses) < 810 && Math.max(...pauses) > 1_190);
  const mean = pauses.reduce((sum, pause) => sum + pause, 0) / pauses.length;
  assert.ok(Math.abs(mean - 1_000) < 20, `the mean is ${mean} ms`);
  assert.equal(new Backoff('worker 7').failed(0), pauses[7]);
});

test('each name has a backoff of its own, and the oldest names are forgotten', () => {
  const backoffs = new Backoffs(2);
  backoffs.failed('a', 0);
  backoffs.failed('b', 0);
  assert.equal(backoffs.mayTry('a', 0), false);
  assert.equal(backoffs.mayTry('c', 0), true);
  backoffs.failed('c', 0);
  assert.equal(backoffs.mayTry('a', 0), true);
  assert.equal(backoffs.failures('b'), 1);
  backoffs.succeeded('b');
  assert.equal(backoffs.waitMs('b', 0), 0);
});
