import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type LoadRequest, newRequest } from '../../loadgen/request.ts';
import { Tally } from '../../loadgen/tally.ts';
import { type LoadView, statusText, summaryObject, summaryText } from './status.ts';

const atMs = Date.UTC(2026, 0, 1, 12, 0, 10);

function view(requests: readonly Partial<LoadRequest>[], changes: Partial<LoadView> = {}): LoadView {
  const tally = new Tally(atMs - 10_000);
  for (const [i, request] of requests.entries()) {
    const ended = { ...newRequest(i, 0, false), outcome: 'ok' as const, endedMs: 100, server: 'fib-0000', ...request };
    tally.ended(ended);
    tally.sent(2);
  }
  return {
    service: 'fib',
    protocol: 'http',
    pace: 'high (20/s)',
    atMs,
    recent: tally.takeRecent(atMs),
    total: tally.totals(atMs),
    inFlight: 0,
    servers: 1,
    ...changes,
  };
}

const some = [
  {},
  {},
  { server: 'fib-0001\x1b[2J' },
  { outcome: 'timeout', endedMs: 10_000 },
  { outcome: 'dropped', server: '' },
] as const;

test('a line has what matters, and nothing that would steer a terminal', () => {
  assert.equal(
    statusText(view(some, { inFlight: 3 })),
    '12:00:10  high (20/s)  0.3/s ok  p50 100 ms  p90 10.00 s  p99 10.00 s  in flight 3  ok 3  failed 2 (timeout 1, dropped by the client 1)  fib-0000 0.3/s, fib-0001?[2J 0.1/s',
  );
  assert.match(statusText(view([], { servers: 0 })), /failed 0 {2}no server to send to$/);
});

test('the summary in words', () => {
  const lines = summaryText(view(some, { inFlight: 1 })).split('\n');
  assert.deepEqual(lines.slice(0, 2), [
    'fib: 5 requests in 10.0 s (0.5/s): 3 ok, failed 2 (timeout 1, dropped by the client 1), 1 not waited for',
    'response time, from when each was due: p50 100 ms  p90 10.00 s  p99 10.00 s  p99.9 10.00 s  max 10.00 s',
  ]);
  assert.match(lines[2] ?? '', /^ {2}fib-0000: 3 \(60 %\), 1 failed {2}p50 /);
  assert.match(lines.at(-1) ?? '', /^the client itself was late by 2\.0 ms \(p99\), at most 2\.0 ms$/);
  assert.equal(summaryText(view([])), 'fib: 0 requests in 10.0 s (0.0/s): 0 ok, failed 0');
});

test('the summary as an object', () => {
  const { requests, servers, perSecond, startedAtMs } = summaryObject(view(some));
  assert.equal(startedAtMs, atMs - 10_000);
  assert.equal(perSecond, 0.3);
  const outcomes = { ok: 3, timeout: 1, dropped: 1 };
  const none = { 'http 4xx': 0, 'http 5xx': 0, 'bad answer': 0, connect: 0, reset: 0, 'no server': 0 };
  assert.deepEqual(requests, { ended: 5, ok: 3, failed: 2, inFlight: 0, outcomes: { ...none, ...outcomes } });
  assert.equal(Array.isArray(servers) && servers.length, 2);
  assert.equal(JSON.parse(JSON.stringify(summaryObject(view([])))).latencyMs.p99, null);
});
