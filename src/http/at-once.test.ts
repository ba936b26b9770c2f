import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../domain/errors.ts';
import { AtOnce, maxAtOnce } from './at-once.ts';

test('one user has so many requests at one time, and others have theirs', () => {
  const requests = new AtOnce();
  const leave = Array.from({ length: maxAtOnce }, () => requests.enter('ann'));
  assert.throws(
    () => requests.enter('ann'),
    (error) => hasCode(error, 'exhausted') && error.details.allowed === maxAtOnce,
  );
  requests.enter('ben')();
  leave[0]?.();
  const again = requests.enter('ann');
  assert.throws(() => requests.enter('ann'));
  for (const one of [...leave.slice(1), again]) one();
  for (let i = 0; i < maxAtOnce; i += 1) requests.enter('ann');
});
