import assert from 'node:assert/strict';
import { test } from 'node:test';
import { busyStartLimitMs, judge, type Sight, startLimitMs } from './judge.ts';
import type { HandlerStatus } from './status-file.ts';

const status: HandlerStatus = {
  state: 'serving',
  message: '',
  traceback: '',
  restarts: 0,
  inFlight: 0,
  requests: 0,
  errors: 0,
};
const command: Sight = { kind: 'command', port: 8000, listening: 'no', status: undefined, idleMs: 0, cpuMs: 0 };
const handler: Sight = { ...command, kind: 'handler', status };

test('a command serves when it listens', () => {
  assert.equal(judge(command).state, 'starting');
  assert.equal(judge({ ...command, listening: 'yes' }).state, 'serving');
});

test('a handler serves when it says so and listens', () => {
  assert.equal(judge(handler).state, 'starting');
  assert.equal(judge({ ...handler, listening: 'yes' }).state, 'serving');
  assert.equal(judge({ ...handler, listening: 'yes', status: undefined }).state, 'starting');
  assert.equal(judge({ ...handler, listening: 'yes', status: { ...status, state: 'starting' } }).state, 'starting');
});

test('a handler that failed has failed, whatever else there is', () => {
  const failed = { ...status, state: 'failed' as const, message: 'no handler', traceback: 'Traceback' };
  const verdict = judge({ ...handler, listening: 'yes', status: failed });
  assert.deepEqual(verdict, { state: 'failed', message: 'no handler', traceback: 'Traceback' });
});

test('what does not serve for too long has failed, and is told why', () => {
  const late = { idleMs: startLimitMs };
  const why = (sight: Sight): string => {
    const { state, message } = judge(sight);
    assert.equal(state, 'failed');
    return message;
  };
  assert.match(why({ ...command, ...late }), /did not listen on port 8000 \(\$PORT\), for 60 s/);
  assert.match(why({ ...command, ...late, listening: 'loopback' }), /loopback address only.*0\.0\.0\.0/);
  assert.match(why({ ...handler, ...late, status: undefined }), /being imported/);
  assert.equal(judge({ ...handler, ...late, listening: 'yes' }).state, 'serving');
});

test('what computes while it starts has more time: its host may have too much to do', () => {
  const busy = (idleMs: number): string => judge({ ...handler, status: undefined, idleMs, cpuMs: idleMs / 2 }).state;
  assert.deepEqual(
    [busy(startLimitMs), busy(busyStartLimitMs - 1), busy(busyStartLimitMs)],
    ['starting', 'starting', 'failed'],
  );
  const idle = judge({ ...handler, status: undefined, idleMs: startLimitMs, cpuMs: startLimitMs / 10 });
  assert.equal(idle.state, 'failed');
});
