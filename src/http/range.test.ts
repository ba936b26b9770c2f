import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../domain/errors.ts';
import { requestedRange } from './range.ts';

test('a range is the part that is there of what is asked for', () => {
  const of = (header: string | undefined) => requestedRange(header, 10);
  assert.deepEqual(of('bytes=0-3'), { start: 0, end: 3 });
  assert.deepEqual(of('bytes=4-'), { start: 4, end: 9 });
  assert.deepEqual(of('bytes=8-99'), { start: 8, end: 9 });
  assert.deepEqual(of('bytes=-3'), { start: 7, end: 9 });
  assert.deepEqual(of('bytes=-99'), { start: 0, end: 9 });
});

test('what is no single range of bytes asks for all', () => {
  for (const header of [undefined, '', 'bytes=-', 'bytes=3-1', 'bytes=0-1,4-5', 'lines=0-1', 'bytes=a-b', 'bytes=0-1x'])
    assert.equal(requestedRange(header, 10), undefined, String(header));
});

test('a range behind the end is refused', () => {
  for (const [header, size] of [
    ['bytes=10-', 10],
    ['bytes=99-100', 10],
    ['bytes=-0', 10],
    ['bytes=0-', 0],
  ] as const)
    assert.throws(
      () => requestedRange(header, size),
      (error) => hasCode(error, 'out_of_range'),
    );
});
