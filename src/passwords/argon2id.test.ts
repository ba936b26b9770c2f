import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../domain/errors.ts';
import { argon2idHasher, type Derive, owaspCosts } from './argon2id.ts';
import { decodeHash, encodeHash } from './encoded.ts';

const cheap = { memoryKiB: 8, passes: 1, lanes: 1 };

test('a password is known again, and no other is', async () => {
  const hasher = argon2idHasher();
  const hash = await hasher.hash('correct horse');
  assert.match(hash, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
  assert.equal(await hasher.verify('correct horse', hash), true);
  assert.equal(await hasher.verify('Correct horse', hash), false);
  assert.notEqual(await hasher.hash('correct horse'), hash, 'each has its own salt');
  assert.ok(!hash.includes('horse'));
});

test('hashes of another tool are understood', async () => {
  // From Debian's argon2: echo -n 'correct horse' | argon2 somesaltsomesalt -id -t 2 -k 64 -p 1 -e
  const hashes = [
    '$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$uL2hQzJmxaz0Tfm2KK6uNjA0+UvbrHBEBwVmJYrNXCE',
    '$argon2id$v=19$m=64,t=3,p=2$c29tZXNhbHRzb21lc2FsdA$JihI5cU0dA9i7vaff50sicUfQvt0Ynt/Aa7xY0wdEGo',
  ];
  const hasher = argon2idHasher();
  for (const hash of hashes) {
    assert.equal(await hasher.verify('correct horse', hash), true);
    assert.equal(await hasher.verify('correct hors', hash), false);
    assert.equal(hasher.isOutdated(hash), true);
  }
});

test('without a hash the answer is no, for the same work', async () => {
  const asked: { bytes: number; costs: unknown }[] = [];
  const compute: Derive = async (_password, salt, costs) => {
    asked.push({ bytes: salt.length, costs });
    return Buffer.alloc(32);
  };
  const hasher = argon2idHasher(owaspCosts, compute);
  const hash = encodeHash({ costs: owaspCosts, salt: Buffer.alloc(16), tag: Buffer.alloc(32, 1) });
  assert.equal(await hasher.verify('x', undefined), false);
  assert.equal(await hasher.verify('x', hash), false);
  assert.equal(asked.length, 2);
  assert.deepEqual(asked[0], asked[1]);
});

test('however many are asked for, two are computed at once, and too many are refused', async () => {
  let running = 0;
  let most = 0;
  const compute: Derive = async () => {
    running += 1;
    most = Math.max(most, running);
    await new Promise((resolve) => setImmediate(resolve));
    running -= 1;
    return Buffer.alloc(32);
  };
  const hasher = argon2idHasher(cheap, compute);
  const all = await Promise.allSettled(Array.from({ length: 500 }, () => hasher.verify('x', undefined)));
  assert.equal(most, 2);
  assert.equal(all.filter(({ status }) => status === 'fulfilled').length, 66);
  for (const each of all) assert.ok(each.status === 'fulfilled' || hasCode(each.reason, 'exhausted'));
  assert.equal(await hasher.verify('x', undefined), false, 'and afterwards it goes on');
});

test('the work is not done on the thread that answers requests', async () => {
  const hasher = argon2idHasher();
  const [all, own] = [process.cpuUsage(), process.threadCpuUsage()];
  for (let i = 0; i < 5; i += 1) await hasher.hash('correct horse');
  const [allMicros, ownMicros] = [process.cpuUsage(all).user, process.threadCpuUsage(own).user];
  assert.ok(ownMicros < allMicros / 2, `${ownMicros} of ${allMicros} microseconds`);
});

test('hashes are read back as they were written; others are refused', async () => {
  const given = { costs: cheap, salt: Buffer.from('0123456789abcdef'), tag: Buffer.alloc(32, 200) };
  assert.deepEqual(decodeHash(encodeHash(given)), given);
  for (const text of ['', 'x', '$argon2i$v=19$m=8,t=1,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA', '$argon2id$v=19$m=1']) {
    assert.throws(
      () => decodeHash(text),
      (error) => hasCode(error, 'internal'),
    );
  }
});
