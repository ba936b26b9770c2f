import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Account, AccountStore, ApiToken, Session } from '../../src/domain/account.ts';
import type { Store } from '../../src/domain/store.ts';

const account = (name: string, fields: Partial<Account> = {}): Account => ({
  name,
  role: 'user',
  state: 'active',
  passwordHash: `hash of ${name}`,
  createdAtMs: 1_000,
  ...fields,
});
const session = (hash: string, name: string, usedAtMs = 2_000): Session => ({
  hash,
  account: name,
  createdAtMs: 2_000,
  usedAtMs,
});
const token = (id: string, name: string): ApiToken => ({
  id,
  hash: `hash of ${id}`,
  account: name,
  name: 'CI',
  scopes: ['read', 'jobs'],
  createdAtMs: 3_000,
  expiresAtMs: 9_000,
  usedAtMs: null,
});

/** What every Store must do about accounts. @param open a new, empty store */
export function accountStoreConformance(title: string, open: () => Promise<Store>): void {
  const withStore = (what: string, body: (store: AccountStore) => Promise<void>): void => {
    test(`${title}: ${what}`, async () => {
      const store = await open();
      try {
        await body(store.accounts);
      } finally {
        await store.close();
      }
    });
  };

  withStore('an account comes back as it was put in, and its name is given once', async (store) => {
    assert.equal(await store.add(account('ann')), true);
    assert.equal(await store.add(account('ann', { role: 'admin' })), false);
    assert.deepEqual(await store.get('ann'), account('ann'));
    assert.equal(await store.get('bob'), undefined);
    assert.equal(await store.count(), 1);
  });

  withStore('accounts are listed by name, in pages, without deleted ones', async (store) => {
    for (const name of ['cid', 'ann', 'dan', 'bob']) await store.add(account(name));
    await store.change('bob', { state: 'deleted' });
    assert.deepEqual(await store.list({ limit: 2 }), [account('ann'), account('cid')]);
    assert.deepEqual(await store.list({ limit: 2, after: 'cid' }), [account('dan')]);
    assert.equal(await store.add(account('bob')), false, 'a name is never given again');
    assert.equal((await store.get('bob'))?.passwordHash, '');
    assert.equal(await store.change('bob', { state: 'active' }), 'unknown');
    assert.equal(await store.setPassword('bob', 'new', null), false);
  });

  withStore('there is always an active administrator', async (store) => {
    await store.add(account('ann', { role: 'admin' }));
    await store.add(account('bob', { role: 'admin', state: 'disabled' }));
    for (const change of [{ role: 'user' }, { state: 'disabled' }, { state: 'deleted' }] as const) {
      assert.equal(await store.change('ann', change), 'last-admin');
    }
    assert.deepEqual(await store.get('ann'), account('ann', { role: 'admin' }));
    assert.equal(await store.change('bob', { state: 'active' }), 'done');
    const both = await Promise.all(['ann', 'bob'].map((name) => store.change(name, { state: 'disabled' })));
    assert.deepEqual(both.sort(), ['done', 'last-admin'], 'also when both are disabled at once');
  });

  withStore('a session is found with its account, until it is ended', async (store) => {
    await store.add(account('ann'));
    assert.equal(await store.sessions.add(session('s1', 'ann'), 'hash of ann', 9), true);
    assert.deepEqual(await store.sessions.find('s1'), { session: session('s1', 'ann'), account: account('ann') });
    await store.sessions.touch('s1', 5_000);
    assert.equal((await store.sessions.find('s1'))?.session.usedAtMs, 5_000);
    await store.sessions.remove('s1');
    assert.equal(await store.sessions.find('s1'), undefined);
  });

  withStore('no session begins with a password that was changed meanwhile, or for who is disabled', async (store) => {
    await store.add(account('ann'));
    await store.setPassword('ann', 'new', 'hash of ann');
    assert.equal(await store.sessions.add(session('s1', 'ann'), 'hash of ann', 9), false);
    assert.equal(await store.sessions.add(session('s2', 'ann'), 'new', 9), true);
    await store.change('ann', { state: 'disabled' });
    assert.equal(await store.sessions.find('s2'), undefined);
    assert.equal(await store.sessions.add(session('s3', 'ann'), 'new', 9), false);
    assert.equal(await store.sessions.add(session('s4', 'nobody'), 'new', 9), false);
  });

  withStore(
    'a new password ends all sessions of the account, and only if the old one is what was thought',
    async (store) => {
      for (const name of ['ann', 'bob']) {
        await store.add(account(name));
        await store.sessions.add(session(`of ${name}`, name), `hash of ${name}`, 9);
      }
      assert.equal(await store.setPassword('ann', 'new', 'another'), false);
      assert.ok(await store.sessions.find('of ann'));
      assert.equal(await store.setPassword('ann', 'new', 'hash of ann'), true);
      assert.equal(await store.sessions.find('of ann'), undefined);
      assert.ok(await store.sessions.find('of bob'));
      await store.rehash('bob', 'newer', 'another');
      assert.equal((await store.get('bob'))?.passwordHash, 'hash of bob');
      await store.rehash('bob', 'newer', 'hash of bob');
      assert.equal((await store.get('bob'))?.passwordHash, 'newer');
      assert.ok(await store.sessions.find('of bob'));
    },
  );

  withStore('of too many sessions those used longest ago end', async (store) => {
    await store.add(account('ann'));
    for (const [hash, usedAtMs] of [
      ['a', 2_003],
      ['b', 2_001],
      ['c', 2_002],
    ] as const) {
      await store.sessions.add(session(hash, 'ann', usedAtMs), 'hash of ann', 3);
    }
    await store.sessions.add(session('d', 'ann', 2_000), 'hash of ann', 3);
    const there = await Promise.all(['a', 'b', 'c', 'd'].map((hash) => store.sessions.find(hash)));
    assert.deepEqual(
      there.map((found) => found?.session.hash),
      ['a', undefined, 'c', 'd'],
    );
  });

  withStore('a token is found with its account; there are only so many', async (store) => {
    await store.add(account('ann'));
    await store.add(account('bob'));
    assert.equal(await store.tokens.add(token('t1', 'ann'), 2), 'done');
    assert.equal(await store.tokens.add(token('t2', 'ann'), 2), 'done');
    assert.equal(await store.tokens.add(token('t3', 'ann'), 2), 'full');
    assert.equal(await store.tokens.add(token('t4', 'bob'), 2), 'done');
    assert.equal(await store.tokens.add(token('t5', 'nobody'), 2), 'unknown');
    assert.deepEqual(await store.tokens.find('hash of t1'), { token: token('t1', 'ann'), account: account('ann') });
    await store.tokens.touch('hash of t1', 4_000);
    assert.deepEqual(await store.tokens.get('t1'), { ...token('t1', 'ann'), usedAtMs: 4_000 });
    const ids = async (owner: string | null) => (await store.tokens.list(owner, 9)).map(({ id }) => id);
    assert.deepEqual(await ids('ann'), ['t2', 't1']);
    assert.deepEqual(await ids(null), ['t4', 't2', 't1']);
    await store.tokens.remove('t1');
    assert.equal(await store.tokens.find('hash of t1'), undefined);
    await store.change('ann', { state: 'deleted' });
    assert.deepEqual(await ids(null), ['t4']);
  });

  withStore('what has ended is removed, and nothing else', async (store) => {
    await store.add(account('ann'));
    const sessions = [session('idle', 'ann', 2_000), session('used', 'ann', 8_000)];
    for (const each of sessions) await store.sessions.add(each, 'hash of ann', 9);
    await store.tokens.add(token('t1', 'ann'), 9);
    await store.purge({ createdMs: 2_000, usedMs: 8_000, nowMs: 9_000 });
    assert.equal(await store.sessions.find('idle'), undefined);
    assert.ok(await store.sessions.find('used'));
    assert.ok(await store.tokens.get('t1'));
    await store.purge({ createdMs: 2_001, usedMs: 0, nowMs: 9_001 });
    assert.equal(await store.sessions.find('used'), undefined);
    assert.equal(await store.tokens.get('t1'), undefined);
  });
}
