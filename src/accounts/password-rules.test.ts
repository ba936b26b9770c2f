import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../domain/errors.ts';
import { makePassword, newPassword, typedPassword } from './password-rules.ts';

const refused = (typed: string, why: RegExp, name = 'ann'): void =>
  assert.throws(
    () => newPassword(typed, name),
    (error) => hasCode(error, 'invalid') && why.test(error.message),
    typed,
  );

test('a password has at least ten characters and at most 1024 bytes', () => {
  refused('', /has 0 characters/);
  refused('ninechars', /has 9 characters/);
  assert.equal(newPassword('ten chars!', 'ann'), 'ten chars!');
  // Counted as a person counts: each of these is two units of a JavaScript string.
  refused('🦀🐙🦑🦐🦞🐡🐠🐟🐬', /has 9 characters/);
  assert.ok(newPassword('🦀🐙🦑🦐🦞🐡🐠🐟🐬🐳', 'ann'));
  const longest = 'abcdefgh'.repeat(128);
  assert.equal(newPassword(longest, 'ann'), longest);
  refused(`${longest}i`, /longer than 1024 bytes/);
  refused('ü'.repeat(513), /longer than 1024 bytes/);
});

test('nor is it what is tried first', () => {
  refused('anna-lena.k', /is the user's name/, 'anna-lena.k');
  refused('  Anna-Lena.K ', /is the user's name/, 'anna-lena.k');
  refused('aaaaaaaaaaaa', /again and again/);
  refused('abababababab', /again and again/);
  refused('Password123', /tried first/);
  refused('1234567890', /tried first/);
});

test('the same letters are the same password, however they are composed', () => {
  assert.equal(typedPassword('cafe\u0301 au lait'), typedPassword('caf\u00e9 au lait'));
  assert.notEqual(typedPassword('Cafe au lait'), typedPassword('cafe au lait'));
  assert.throws(
    () => typedPassword('half a pair \ud83e'),
    (error) => hasCode(error, 'invalid'),
  );
});

test('a password that is made passes the rules and is never the same', () => {
  const made = Array.from({ length: 200 }, makePassword);
  assert.equal(new Set(made).size, 200);
  for (const password of made) {
    assert.match(password, /^([1-9a-z]{5}-){3}[1-9a-z]{5}$/);
    assert.equal(newPassword(password, 'ann'), password);
  }
});
