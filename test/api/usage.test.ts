import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readyVm } from '../../src/fake/vm.ts';
import type { Usage } from '../../src/metrics/usage.ts';
import { ask } from '../accounts/ask.ts';
import { openTestWeb } from '../accounts/server.ts';
import { openTestAccounts, sessionOf } from '../accounts/support.ts';

test('usage goes back a minute unless it is asked otherwise, and has a bound over all VMs', async (t) => {
  const accounts = await openTestAccounts();
  const web = await openTestWeb(accounts);
  t.after(() => web[Symbol.asyncDispose]());
  const { clock, root } = accounts;
  const nowMs = clock.now();
  const sample = (atMs: number): Usage => ({
    ...{ atMs, cpu: 0.5, cpuWanted: 0.5, memoryBytes: 1, diskReadBytesPerSecond: 0, diskWriteBytesPerSecond: 0 },
    ...{ networkReceiveBytesPerSecond: 0, networkTransmitBytesPerSecond: 0 },
  });
  const hour = Array.from({ length: 3_600 }, (_, i) => sample(nowMs - (3_599 - i) * 1_000));
  Object.assign(web.context, {
    usages: (_vm: string, sinceMs: number, most: number) => hour.filter(({ atMs }) => atMs >= sinceMs).slice(-most),
  });
  const session = await sessionOf(accounts, 'admin');
  const get = async (query: string): Promise<{ samples: { atMs: number }[] }[]> => {
    const answer = await ask(`${web.url}/api/v1/usage${query}`, 'GET', { authorization: `Bearer ${session}` });
    assert.equal(answer.status, 200, answer.text);
    return JSON.parse(answer.text).vms;
  };
  const [one] = await get('');
  assert.ok(one !== undefined && one.samples.length <= 61, `${one?.samples.length} samples`);
  assert.equal((await get('?sinceMs=0'))[0]?.samples.length, 3_600);
  for (let i = 0; i < 99; i += 1) await root.vms.insert(readyVm({ name: `vm-${i}`, keyId: `key-${i}` }));
  const all = await get('?sinceMs=0');
  assert.equal(all.length, 100);
  assert.equal(all.flatMap(({ samples }) => samples).length, 10_000);
  // The newest of each.
  assert.ok(all.every(({ samples }) => samples.at(-1)?.atMs === nowMs));
});
