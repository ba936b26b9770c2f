import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../domain/errors.ts';
import { FakeClock } from '../fake/clock.ts';
import { networkOf, Throttle } from './throttle.ts';

/** How many wrong tries pass before one is refused. */
function triesUntilRefused(attempt: (i: number) => void, limit = 1_000): number {
  for (let i = 0; i < limit; i += 1) {
    try {
      attempt(i);
    } catch (error) {
      assert.ok(hasCode(error, 'exhausted'));
      assert.ok(Number(error.details.retryAfterSeconds) >= 1);
      return i;
    }
  }
  return limit;
}

test('one account cannot be tried from many addresses, nor many accounts from one', async () => {
  const clock = new FakeClock();
  const throttle = new Throttle(clock);
  assert.equal(
    triesUntilRefused((i) => throttle.takeTry('ann', `10.0.${i}.1`)),
    10,
  );
  assert.equal(
    triesUntilRefused((i) => throttle.takeTry(`user-${i}`, '192.0.2.1')),
    50,
  );
  throttle.takeTry('bob', '10.9.9.9');
  await clock.advance(60_000);
  throttle.takeTry('ann', '10.1.1.1');
  assert.throws(() => throttle.takeTry('ann', '10.1.1.2'));
});

test('a try that was right does not count', () => {
  const throttle = new Throttle(new FakeClock());
  const right = (): void => throttle.takeTry('ann', '10.0.0.1')();
  assert.equal(triesUntilRefused(right), 1_000);
});

test('strangers cannot lock an account out where its owner has signed in from', () => {
  const throttle = new Throttle(new FakeClock());
  throttle.remember('ann', '10.0.0.1');
  triesUntilRefused((i) => throttle.takeTry('ann', `10.0.1.${i}`));
  assert.throws(() => throttle.takeTry('ann', '10.0.2.1'));
  assert.equal(
    triesUntilRefused(() => throttle.takeTry('ann', '10.0.0.1')),
    10,
  );
});

test('an owner with an IPv6 address is one machine, not 2^64', () => {
  assert.equal(networkOf('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2::/64');
  assert.equal(networkOf('2001:0DB8:1:2::1'), '2001:db8:1:2::/64');
  assert.equal(networkOf('2001:db8::1'), '2001:db8:0:0::/64');
  assert.equal(networkOf('fe80::1%eth0'), 'fe80:0:0:0::/64');
  assert.equal(networkOf('::1'), '0:0:0:0::/64');
  assert.equal(networkOf('::ffff:10.0.0.1'), '10.0.0.1');
  assert.equal(networkOf('10.0.0.1'), '10.0.0.1');
  assert.ok(networkOf('x'.repeat(10_000)).length <= 64);
  const throttle = new Throttle(new FakeClock());
  assert.equal(
    triesUntilRefused((i) => throttle.takeTry(`user-${i}`, `2001:db8::${i.toString(16)}`)),
    50,
  );
});

test('sign-ups of one address are limited', async () => {
  const clock = new FakeClock();
  const throttle = new Throttle(clock);
  assert.equal(
    triesUntilRefused(() => throttle.takeSignUp('10.0.0.1')),
    100,
  );
  throttle.takeSignUp('10.0.0.2');
  await clock.advance(60_000);
  throttle.takeSignUp('10.0.0.1');
});
