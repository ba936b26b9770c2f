import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TidepoolError } from '../domain/errors.ts';
import { readTrace } from './trace.ts';

const read = (...lines: string[]) => readTrace(lines.join('\n'), 'load.csv');

test('times in ISO 8601 or seconds, the step is read off them', () => {
  const minutes = read('minute,requests', '1998-06-10T00:00:00Z,60', '1998-06-10T00:01:00Z,120.5', '');
  assert.deepEqual(minutes, { startMs: Date.UTC(1998, 5, 10), stepMs: 60_000, requests: [60, 120.5] });
  assert.equal(read('t,n', '0,1', '5,2', '10,3').stepMs, 5_000);
  assert.equal(read('t,n', '2026-01-01 00:00:00,1', '2026-01-01 00:00:10,1').startMs, Date.UTC(2026, 0, 1));
  assert.equal(read('t,n', '2026-01-01T02:00:00+02:00,1', '2026-01-01T02:00:10+02:00,1').startMs, Date.UTC(2026, 0, 1));
  assert.equal(readTrace('\uFEFFt,n\r\n0,1\r\n1,1\r\n', 'x').requests.length, 2);
});

test('a broken trace is refused with its line and the reason', () => {
  const refused = (lines: string[], line: number, reason: RegExp) =>
    assert.throws(
      () => read(...lines),
      (error: unknown) => {
        assert.ok(error instanceof TidepoolError && error.code === 'invalid');
        assert.match(error.message, new RegExp(`^load.csv, line ${line}: `));
        assert.match(error.message, reason);
        return true;
      },
    );
  refused([''], 1, /empty/);
  refused(['0,1', '1,1', '2,1'], 1, /heading/);
  refused(['t,n', '0,1'], 2, /at least two/);
  refused(['t,n', '0,1', '60,1', '120'], 4, /two fields/);
  refused(['t,n', '0,1', '60,1,1'], 3, /here are 3/);
  refused(['t,n', '0,1', 'noon,1'], 3, /"noon" is not a time/);
  refused(['t,n', '0,1', '60,many'], 3, /"many" is not a number/);
  refused(['t,n', '0,1', '60,-5'], 3, /"-5" is not a number/);
  refused(['t,n', '0,1', '60,NaN'], 3, /not a number/);
  refused(['t,n', '0,1', '60,1', '60,1'], 4, /not after/);
  refused(['t,n', '0,1', '60,1', '180,1'], 4, /120 s after .* the step of this trace is 60 s/);
  refused(['t,n', '0,1', '0.5,1'], 3, /whole seconds/);
  refused(['t,n', '0,1', '86400,1'], 3, /at most an hour/);
  refused(['t,n', '0,1', '60,1', '', '120,1'], 4, /two fields/);
});
