import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../../domain/errors.ts';
import { type LoadCommandOptions, limitsOf, messageSpecOf, planOf } from './plan.ts';

const defaults: LoadCommandOptions = { rates: '1,5,20', timeout: '10s', path: '/' };

function plan(changes: Partial<LoadCommandOptions>) {
  return planOf({ ...defaults, ...changes });
}

test('the ways to start', () => {
  assert.equal(plan({}).start, undefined);
  assert.deepEqual(plan({ mode: 'mid' }).start, { pace: { kind: 'every', everyMs: 200 }, words: 'mid (5/s)' });
  assert.deepEqual(plan({ every: '0.3' }).start?.pace, { kind: 'every', everyMs: 300 });
  assert.deepEqual(plan({ rate: '40' }).start?.pace, { kind: 'every', everyMs: 25 });
  assert.deepEqual(plan({ rate: 'max' }).start?.pace, { kind: 'max', connections: 50 });
  assert.deepEqual(plan({ rate: 'max', connections: '7' }).start?.pace, { kind: 'max', connections: 7 });
});

test('modes can be set, and limits have their defaults', () => {
  assert.deepEqual(plan({ rates: '0.5,2,100' }).modes.high.pace, { kind: 'every', everyMs: 10 });
  assert.equal(limitsOf(plan({}), 'http').lanesPerServer, 500);
  assert.equal(limitsOf(plan({ connections: '3' }), 'http').lanesPerServer, 3);
  assert.deepEqual([plan({ for: '1m' }).forMs, plan({}).forMs], [60_000, undefined]);
  assert.ok(limitsOf(plan({}), 'tcp').laneAgeMs < limitsOf(plan({}), 'http').laneAgeMs);
});

test('what is asked depends on the protocol', () => {
  assert.deepEqual(messageSpecOf(defaults, 'http'), { protocol: 'http', path: '/' });
  const asked = messageSpecOf({ ...defaults, path: '/x', body: 'b', method: 'PUT' }, 'http');
  assert.deepEqual(asked, { protocol: 'http', path: '/x', body: 'b', method: 'PUT' });
  assert.deepEqual(messageSpecOf({ ...defaults, payload: '0x00' }, 'udp'), { protocol: 'udp', payload: '0x00' });
});

test('options that are wrong are named', () => {
  const wrong: [changes: Partial<LoadCommandOptions>, message: RegExp][] = [
    [{ mode: 'low', every: '1' }, /--mode and --every exclude/],
    [{ mode: 'fast' }, /--mode fast is none of/],
    [{ mode: 'toString' }, /--mode toString/],
    [{ every: '-1' }, /--every -1: the time between requests/],
    [{ every: 'abc' }, /--every abc: "abc" is not a number/],
    [{ rate: '0' }, /--rate 0: /],
    [{ rate: 'fast' }, /--rate fast: /],
    [{ rate: '1e9' }, /--rate 1e9: /],
    [{ rates: '1,2' }, /--rates 1,2 is not three numbers/],
    [{ rates: '1,2,x' }, /--rates x: /],
    [{ connections: '0' }, /--connections 0 is not/],
    [{ connections: '99999' }, /--connections 99999/],
    [{ timeout: '1ms' }, /--timeout 1ms/],
    [{ for: 'ever' }, /"ever" is not a time/],
    [{ loglevel: 'loud' }, /--loglevel loud/],
  ];
  for (const [changes, message] of wrong) {
    assert.throws(
      () => plan(changes),
      (error) => hasCode(error, 'invalid') && message.test(error.message),
      JSON.stringify(changes),
    );
  }
  for (const [changes, protocol] of [
    [{ payload: 'x' }, 'http'],
    [{ body: 'x' }, 'udp'],
    [{ method: 'PUT' }, 'tcp'],
  ] as const) {
    assert.throws(
      () => messageSpecOf({ ...defaults, ...changes }, protocol),
      (error) => hasCode(error, 'invalid'),
    );
  }
});
