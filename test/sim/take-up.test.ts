import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultFlavors } from '../../src/domain/flavor.ts';
import { unlimitedStorage } from '../../src/domain/storage.ts';
import { FakeAgentLink } from '../../src/fake/agent-link.ts';
import { FakeClock } from '../../src/fake/clock.ts';
import { queuedJob } from '../../src/fake/job.ts';
import { readyVm } from '../../src/fake/vm.ts';
import type { JobContext } from '../../src/jobs/context.ts';
import { JobController } from '../../src/jobs/controller.ts';
import { defaultUserRules } from '../../src/jobs/rules.ts';
import { Changes } from '../../src/reconcile/changes.ts';
import { openSqliteStore } from '../../src/sqlite/store.ts';
import { MemoryLogs, noArchives, onlyPython, textBlobs } from './parts.ts';

const GiB = 1024 ** 3;

/** One worker that is as large as it has to be, and servers one after the other. */
async function cluster() {
  const clock = new FakeClock();
  const store = await openSqliteStore(':memory:');
  const link = new FakeAgentLink(clock);
  const logs = new MemoryLogs();
  const capacity = { cpus: 5_000, memoryBytes: 50_000 * GiB, diskBytes: 500_000 * GiB, slots: 5_000 };
  const boot = async (keyId: string) => {
    const vm = readyVm({ name: `vm-${keyId}`, keyId, capacity });
    link.boot({ host: vm.host ?? '', port: vm.port ?? 0, keyId, key: vm.key }, { capacity });
    await store.vms.insert(vm);
    return vm;
  };
  const begin = (): JobController => {
    const context: JobContext = {
      ...{ store, link, clock, logs, blobs: textBlobs, archives: noArchives, storage: unlimitedStorage },
      ...{ runtimes: onlyPython, hasPip: false, flavors: defaultFlavors, changes: new Changes(), maxAttempts: 3 },
      workerPools: new Set(['default']),
      rules: { placement: 'pack', halfLifeMs: 3_600_000, maxWaitMs: 3_600_000, userRules: () => defaultUserRules },
      log: () => undefined,
    };
    const jobs = new JobController(context);
    jobs.start();
    return jobs;
  };
  const submit = async (id: string, scriptBlob: string): Promise<void> => {
    const job = queuedJob({ id, createdAtMs: clock.now() });
    await store.jobs.insert({ ...job, spec: { ...job.spec, scriptBlob } });
  };
  const count = async (state: 'running' | 'succeeded'): Promise<number> =>
    (await store.jobs.list({ limit: 5_000, states: [state] })).length;
  const stop = async (jobs: JobController): Promise<void> => {
    const stopped = jobs.stop();
    await clock.advance(30_000);
    await stopped;
  };
  return { clock, store, link, logs, boot, begin, submit, count, stop };
}

test('a server that finds many running jobs at its start asks for a bounded number of them at one time', async () => {
  const { clock, store, link, boot, begin, submit, count, stop } = await cluster();
  await boot('k');
  const first = begin();
  for (let i = 0; i < 520; i += 1) await submit(`job-${i}`, 'time.sleep(20)');
  await clock.advance(10_000);
  assert.equal(await count('running'), 520);
  await stop(first);
  let [now, most] = [0, 0];
  const { report } = link;
  link.report = async (...args) => {
    now += 1;
    most = Math.max(most, now);
    // Agents that are asked by many answer late.
    await clock.sleep(50);
    now -= 1;
    return report.apply(link, args);
  };
  const { getMany } = store.jobs;
  let read = 0;
  Object.assign(store.jobs, {
    getMany: (ids: readonly string[]) => {
      read = Math.max(read, ids.length);
      return getMany(ids);
    },
  });
  const second = begin();
  await clock.advance(30_000);
  assert.equal(await count('succeeded'), 520);
  assert.ok(most > 1 && most <= 64, `${most} agents were asked at one time`);
  assert.ok(read <= 500, `${read} jobs were read at one time`);
  await stop(second);
  await store.close();
});

test('what a job that was lost has printed counts as kept, all attempts of it together', async () => {
  const { clock, store, link, logs, boot, begin, submit, stop } = await cluster();
  const jobs = begin();
  await submit('job-1', "print('0123456789')\ntime.sleep(50)");
  for (const keyId of ['a', 'b', 'c']) {
    const vm = await boot(keyId);
    await clock.advance(5_000);
    assert.ok((await store.storage.usedBytes('admin', [])) >= 0);
    link.lose({ host: vm.host ?? '', port: vm.port ?? 0, keyId, key: vm.key });
    await store.vms.move(vm.name, ['ready'], { state: 'dead', reason: 'its machine is gone', nowMs: clock.now() });
    await clock.advance(60_000);
    await store.vms.delete(vm.name);
  }
  const job = await store.jobs.get('job-1');
  assert.equal(job?.state, 'lost', JSON.stringify(job?.result));
  let logBytes = 0;
  for (const attempt of [1, 2, 3]) logBytes += await logs.size('job-1', attempt);
  assert.ok(logBytes >= 3 * 10);
  const inputBytes = Object.values(job?.spec.inputBytes ?? {}).reduce((sum, bytes) => sum + bytes, 0);
  assert.equal(await store.storage.usedBytes('admin', []), logBytes + inputBytes);
  await stop(jobs);
  await store.close();
});
