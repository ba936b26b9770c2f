import assert from 'node:assert/strict';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openBlobFolder } from '../../src/blobs/blob-folder.ts';
import { openLogFolder } from '../../src/blobs/log-folder.ts';
import { openWithBallast } from '../../src/cmd/reserve.ts';
import { defaultReserve } from '../../src/domain/disk.ts';
import { hasCode } from '../../src/domain/errors.ts';
import { defaultFlavors } from '../../src/domain/flavor.ts';
import { defaultJobLimits } from '../../src/domain/limits.ts';
import { unlimitedStorage } from '../../src/domain/storage.ts';
import { FakeAgentLink } from '../../src/fake/agent-link.ts';
import { FakeClock } from '../../src/fake/clock.ts';
import { emptySpec, queuedJob } from '../../src/fake/job.ts';
import { readyVm } from '../../src/fake/vm.ts';
import { ballastFile, folderDisk } from '../../src/files/disk.ts';
import type { JobContext } from '../../src/jobs/context.ts';
import { JobController } from '../../src/jobs/controller.ts';
import { defaultUserRules } from '../../src/jobs/rules.ts';
import { Changes } from '../../src/reconcile/changes.ts';
import { openSqliteStore } from '../../src/sqlite/store.ts';
import { roomyBlobs, roomyLogs } from '../../src/storage/keep-room.ts';
import { DiskReserve } from '../../src/storage/reserve.ts';
import { withUpload } from '../../src/storage/upload.ts';
import { noArchives, onlyPython, textBlobs } from '../sim/parts.ts';
import { fill, smallDisk } from '../support/small-disk.ts';

const GiB = 1024 ** 3;

const disk = await smallDisk();
const other = await smallDisk();

test('a server that starts on a disk that is full to the last byte gives its ballast up, and opens its database', {
  skip: typeof other === 'string' ? other : false,
}, async () => {
  assert.ok(typeof other !== 'string');
  await using mounted = other;
  const dataDir = mounted.folder;
  const path = join(dataDir, 'tidepool.db');
  const open = () => openSqliteStore(path);
  const logged: string[] = [];
  const parts = { dataDir, log: (line: string) => void logged.push(line) };
  await (await open()).close();
  const ballast = await ballastFile(join(dataDir, 'ballast'));
  await ballast.fill(8 * 1024 ** 2);
  await fill(join(dataDir, 'somebody-elses'));
  await assert.rejects(open(), (error) => hasCode(error, 'exhausted'));
  const store = await openWithBallast(parts, open);
  assert.equal(await store.setting('written', () => 'x'.repeat(100_000)), 'x'.repeat(100_000));
  assert.match(logged.join(), /is full: the ballast is given up for the database$/);
  await store.close();
  await fill(join(dataDir, 'somebody-elses-too'));
  await assert.rejects(openWithBallast(parts, open), (error) => hasCode(error, 'exhausted'));
  assert.equal(logged.length, 1, 'there is nothing left to give up');
});

test('a disk that is full to the last byte: jobs end, uploads are refused, and all goes on when there is room', {
  skip: typeof disk === 'string' ? disk : false,
}, async () => {
  assert.ok(typeof disk !== 'string');
  await using mounted = disk;
  const { folder } = mounted;
  const clock = new FakeClock();
  const store = await openSqliteStore(join(folder, 'tidepool.db'));
  const alerts: string[] = [];
  const reserve = new DiskReserve({
    disk: folderDisk(folder),
    ballast: await ballastFile(join(folder, 'ballast')),
    rule: defaultReserve,
    clock,
    what: 'the data folder',
    async alert(isRaised, text) {
      const name = isRaised ? 'alert.raised' : 'alert.cleared';
      await store.events.append({ atMs: clock.now(), name, pool: '', vm: null, text, data: {} });
      alerts.push(name);
    },
    log: () => undefined,
  });
  const blobs = roomyBlobs(await openBlobFolder(join(folder, 'blobs'), clock), reserve);
  const logs = roomyLogs(await openLogFolder(join(folder, 'logs')), reserve);
  const link = new FakeAgentLink(clock);
  // Scripts are texts; what jobs write are real blobs on the small disk.
  const jobBlobs = { ...blobs, read: textBlobs.read };
  const context: JobContext = {
    ...{ store, link, clock, logs, blobs: jobBlobs, archives: noArchives, storage: unlimitedStorage },
    ...{ runtimes: onlyPython, hasPip: false, flavors: defaultFlavors, changes: new Changes(), maxAttempts: 3 },
    workerPools: new Set(['default']),
    rules: { placement: 'pack', halfLifeMs: 3_600_000, maxWaitMs: 3_600_000, userRules: () => defaultUserRules },
    log: () => undefined,
  };
  const capacity = { ...readyVm().capacity, cpus: 64, memoryBytes: 64 * GiB, diskBytes: 640 * GiB };
  const vm = readyVm({ name: 'w1', capacity: capacity as never, port: 1 });
  link.boot({ host: vm.host ?? '', port: 1, keyId: vm.keyId, key: vm.key }, { capacity: capacity as never });
  await store.vms.insert(vm);
  const jobs = new JobController(context);
  const submit = async (id: string, script: string): Promise<void> => {
    const spec = { ...emptySpec, limits: { ...defaultJobLimits, timeoutMs: 3_600_000 }, scriptBlob: script };
    await store.jobs.insert(queuedJob({ id, spec, createdAtMs: clock.now() }));
    context.changes.notify('queue');
  };
  // Real files are slower than the fake clock: time goes on in steps, each after what was begun has ended.
  const until = async (isDone: () => Promise<boolean>): Promise<void> => {
    for (let step = 0; !(await isDone()); step += 1) {
      assert.ok(step < 2_000, 'it takes too long');
      await clock.advance(100);
    }
  };
  const count = async (state: 'running' | 'succeeded'): Promise<number> =>
    (await store.jobs.list({ limit: 100, states: [state] })).length;
  /** What a script prints and writes, which no other does. */
  const outputOf = (i: number) => ({ printed: `${i}-`.padEnd(9_000, 'p'), written: `${i}-`.padEnd(9_000, 'w') });
  const writing = (i: number): string => {
    const { printed, written } = outputOf(i);
    return `print('begun')\ntime.sleep(60)\nprint('${printed}')\nopen('out/file', 'w').write('${written}')`;
  };
  const checkOutput = async (i: number): Promise<void> => {
    const id = `writes-${i}`;
    const { printed, written } = outputOf(i);
    const size = await logs.size(id, 1);
    const lines = Buffer.from(await logs.read(id, 1, 0, size)).toString();
    assert.equal(lines.split('begun\n').length, 2, 'the output is there once');
    assert.equal(lines.split(`${printed}\n`).length, 2);
    const [file] = await store.jobs.files(id);
    assert.deepEqual([file?.path, file?.sizeBytes], ['file', written.length]);
    assert.equal(await readFile(await blobs.path(file?.blob ?? ''), 'utf8'), written);
    assert.equal((await store.jobs.attempts(id)).length, 1, 'nothing was run twice');
  };

  await reserve.look();
  jobs.start();
  for (let i = 0; i < 10; i += 1) await submit(`job-${i}`, 'import time\ntime.sleep(60)');
  for (let i = 0; i < 10; i += 1) await submit(`writes-${i}`, writing(i));
  await until(async () => (await count('running')) === 20);
  await fill(join(folder, 'somebody-elses'));
  await clock.advance(1_000);
  await reserve.look();
  assert.deepEqual(alerts, ['alert.raised'], 'the alert is written, by the room of the ballast');
  const upload = withUpload(
    { store, blobs, logs, reserve, rules: unlimitedStorage, clock, log: () => undefined },
    async () => assert.fail('an upload began'),
  );
  await assert.rejects(upload, (error) => hasCode(error, 'exhausted') && error.details.isDiskFull === true);
  await until(async () => (await count('succeeded')) === 10);
  assert.equal(await count('running'), 10, 'those with output wait');
  await submit('job-meanwhile', 'import time\ntime.sleep(1)');
  await until(async () => (await count('succeeded')) === 11);

  await rm(join(folder, 'somebody-elses'));
  await clock.advance(1_000);
  await reserve.look();
  assert.deepEqual(alerts, ['alert.raised', 'alert.cleared']);
  await submit('job-after', "print('there is room')");
  await until(async () => (await count('succeeded')) === 22);
  for (let i = 0; i < 10; i += 1) await checkOutput(i);
  assert.ok((await logs.size('job-after', 1)) > 0);
  const stopped = jobs.stop();
  await clock.advance(2_000);
  await stopped;
  await store.close();
});
