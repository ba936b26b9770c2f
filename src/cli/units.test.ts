import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../domain/errors.ts';
import {
  formatDuration,
  formatSize,
  parseCpus,
  parseDuration,
  parseEnvironment,
  parseSize,
  wholeNumber,
} from './units.ts';

test('sizes and times as people write them', () => {
  assert.equal(parseSize('512M'), 512 * 1024 ** 2);
  assert.equal(parseSize('1.5GiB'), 1.5 * 1024 ** 3);
  assert.equal(parseSize('1000'), 1000);
  assert.equal(parseDuration('30'), 30_000);
  assert.equal(parseDuration('500ms'), 500);
  assert.equal(parseDuration('1.5h'), 5_400_000);
  assert.equal(parseCpus('0.5'), 0.5);
});

test('nonsense is refused, not guessed', () => {
  for (const text of ['', 'NaN', '-1', '1e309', 'Infinity', '1 2', '5 parsecs', '0x10', '9'.repeat(400)]) {
    for (const parse of [parseSize, parseDuration, parseCpus]) {
      assert.throws(
        () => parse(text),
        (error) => hasCode(error, 'invalid'),
        `${parse.name} ${text}`,
      );
    }
  }
});

test('whole numbers and environment variables', () => {
  const refused = (work: () => unknown) => assert.throws(work, (error) => hasCode(error, 'invalid'));
  assert.equal(wholeNumber('--min', '12'), 12);
  for (const text of ['', '-1', '1.5', '1e3', ' 1', '1234567']) refused(() => wholeNumber('--min', text));
  assert.deepEqual(parseEnvironment(['A=1', 'B=', 'C=x=y', 'A=2']), { A: '2', B: '', C: 'x=y' });
  for (const pair of ['A', '=1', '']) refused(() => parseEnvironment([pair]));
});

test('sizes and times for people', () => {
  assert.equal(formatSize(1536), '1.5 KiB');
  assert.equal(formatSize(7), '7 B');
  assert.equal(formatDuration(250), '250ms');
  assert.equal(formatDuration(90_000), '1m30s');
  assert.equal(formatDuration(3_660_000), '1h1m');
});
