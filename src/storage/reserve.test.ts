import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultReserve, reserveOf } from '../domain/disk.ts';
import { hasCode, httpStatusOf } from '../domain/errors.ts';
import { FakeClock } from '../fake/clock.ts';
import { FakeDisk } from '../fake/disk.ts';
import { DiskReserve } from './reserve.ts';

const MiB = 1024 ** 2;
const GiB = 1024 ** 3;

/** A disk of 100 GiB, of which 2 GiB are kept. */
function world(wasRaised = false) {
  const disk = new FakeDisk(100 * GiB);
  const clock = new FakeClock();
  const alerts: string[] = [];
  const logged: string[] = [];
  const failing: { error: Error | undefined } = { error: undefined };
  const reserve = new DiskReserve({
    ...{ disk, ballast: disk, rule: defaultReserve, clock, what: 'the data folder', wasRaised },
    alert: async (isRaised, text) => {
      if (failing.error !== undefined) throw failing.error;
      alerts.push(`${isRaised ? 'raised' : 'cleared'}: ${text}`);
    },
    log: (line) => void logged.push(line),
  });
  const look = async (usedBytes: number): Promise<void> => {
    disk.usedBytes = usedBytes;
    await clock.advance(2_000);
    await reserve.look();
  };
  return { disk, clock, alerts, logged, failing, reserve, look };
}

const isFull = (error: unknown) => hasCode(error, 'exhausted') && httpStatusOf(error) === 507;

test('the reserve is the larger of both, and a quarter of a small disk', () => {
  assert.equal(reserveOf(defaultReserve, 100 * GiB), 2 * GiB);
  assert.equal(reserveOf(defaultReserve, 20 * GiB), GiB);
  assert.equal(reserveOf(defaultReserve, 96 * MiB), 24 * MiB);
});

test('below the reserve what is new is refused, outputs are written, and one alert says so until there is room', async () => {
  const { reserve, look, alerts, clock, disk } = world();
  await look(50 * GiB);
  await reserve.checkRoom('an upload');
  await look(98.5 * GiB);
  await look(98.6 * GiB);
  await assert.rejects(reserve.checkRoom('an upload'), isFull);
  await reserve.checkOutput();
  assert.match(alerts.join(), /^raised: the disk of the data folder is nearly full: 15\d\d MiB of 102400 MiB are free/);
  disk.usedBytes = 97.9 * GiB;
  await clock.advance(1_000);
  await assert.rejects(reserve.checkRoom('an upload'), isFull, 'a little more than the reserve is not enough');
  await look(90 * GiB);
  await reserve.checkRoom('an upload');
  assert.equal(alerts.length, 2);
  assert.match(alerts[1] ?? '', /^cleared: /);
});

test('the last part is for the database only', async () => {
  const { reserve, look } = world();
  await look(100 * GiB - 40 * MiB);
  await assert.rejects(reserve.checkOutput(), isFull);
  await look(99 * GiB);
  await reserve.checkOutput();
});

test('the ballast is given up when nothing is left, before the alert is written, and taken back when there is room', async () => {
  const { reserve, look, disk, alerts, failing } = world();
  await look(50 * GiB);
  assert.equal(disk.sizeBytes, 32 * MiB);
  failing.error = new Error('no room for an event');
  await assert.rejects(look(100 * GiB));
  assert.equal(disk.sizeBytes, 0);
  failing.error = undefined;
  await look(100 * GiB);
  assert.equal(alerts.length, 1, 'an alert that could not be written comes with the next look');
  await look(98.5 * GiB);
  assert.equal(disk.sizeBytes, 0, 'not while the disk is nearly full');
  await look(50 * GiB);
  assert.equal(disk.sizeBytes, 32 * MiB);
  assert.equal(reserve.state?.isLow, false);
});

test('an upload that fills the disk is stopped on the way', async () => {
  const { reserve, disk, clock } = world();
  async function* source() {
    for (let i = 0; i < 10_000; i += 1) {
      disk.usedBytes += MiB;
      await clock.advance(1_000);
      yield Buffer.alloc(MiB);
    }
  }
  disk.usedBytes = 97 * GiB;
  const read = async (): Promise<void> => {
    for await (const _ of reserve.guarded(source(), 'an upload'));
  };
  await assert.rejects(read(), isFull);
  assert.ok(disk.usedBytes < 98 * GiB + 10 * MiB);
});

test('a disk that does not answer is not taken for a full one, and is complained of once', async () => {
  const { reserve, look, disk, logged, alerts } = world();
  disk.error = new Error('the mount is stale');
  for (let i = 0; i < 5; i += 1) await look(100 * GiB);
  await reserve.checkRoom('an upload');
  await reserve.checkOutput();
  assert.deepEqual([logged.length, alerts.length, reserve.state], [1, 0, undefined]);
});

test('a data folder that stays away raises one alert, which is cleared when it is back', async () => {
  const { look, disk, logged, alerts } = world();
  await look(50 * GiB);
  disk.error = new Error('no such file or directory');
  for (let i = 0; i < 20; i += 1) await look(50 * GiB);
  assert.equal(alerts.length, 1);
  assert.match(
    alerts[0] ?? '',
    /^raised: the data folder is gone, or its disk does not answer: no such file or directory; /,
  );
  assert.equal(logged.length, 1);
  disk.error = undefined;
  await look(50 * GiB);
  assert.match(alerts[1] ?? '', /^cleared: /);
  disk.error = new Error('no such file or directory');
  for (let i = 0; i < 5; i += 1) await look(50 * GiB);
  assert.equal(alerts.length, 2, 'a moment of silence is none');
});

test('a folder that is back on a disk that is nearly full has an alert that says this', async () => {
  const { look, disk, alerts } = world();
  disk.error = new Error('stale');
  for (let i = 0; i < 10; i += 1) await look(99 * GiB);
  disk.error = undefined;
  await look(99 * GiB);
  await look(50 * GiB);
  assert.deepEqual(
    alerts.map((text) => /^\w+: the (disk|data)/.exec(text)?.[0]),
    ['raised: the data', 'raised: the disk', 'cleared: the disk'],
  );
});

test('an alert of the server before this one is cleared, and is not raised again while the disk is low', async () => {
  const low = world(true);
  await low.look(99 * GiB);
  assert.deepEqual(low.alerts, []);
  await low.look(50 * GiB);
  assert.equal(low.alerts.length, 1);
  const gone = world(true);
  gone.disk.error = new Error('stale');
  for (let i = 0; i < 10; i += 1) await gone.look(0);
  assert.match(gone.alerts.join(), /^raised: the data folder is gone/);
});

test('inodes count as bytes do: few of them refuse what is new, the last ones outputs, and the alert names them', async () => {
  const { reserve, look, disk, alerts, clock } = world();
  disk.inodes = { free: 900, total: 100_000 };
  await look(50 * GiB);
  await assert.rejects(
    reserve.checkRoom('an upload'),
    (error) => isFull(error) && /no inodes left/.test(String(error)),
  );
  await reserve.checkOutput();
  assert.match(alerts[0] ?? '', /^raised: .* has nearly no inodes left: 900 of 100000 are free, and 1000 are kept/);
  assert.deepEqual([reserve.state?.reserveInodes, reserve.state?.inodes?.free], [1_000, 900]);
  disk.inodes = { free: 100, total: 100_000 };
  await clock.advance(1_000);
  await assert.rejects(reserve.checkOutput(), isFull);
  disk.inodes = { free: 1_050, total: 100_000 };
  await look(50 * GiB);
  assert.equal(alerts.length, 1, 'a few more than the reserve are not enough');
  disk.inodes = { free: 2_000, total: 100_000 };
  await look(50 * GiB);
  await reserve.checkRoom('an upload');
  assert.match(alerts[1] ?? '', /^cleared: /);
});

test('of few inodes in all at most a quarter is kept, and a file system without them lacks none', async () => {
  const { reserve, look, disk } = world();
  disk.inodes = { free: 30, total: 100 };
  await look(50 * GiB);
  await reserve.checkRoom('an upload');
  disk.inodes = undefined;
  await look(50 * GiB);
  await reserve.checkRoom('an upload');
  assert.equal(reserve.state?.reserveInodes, undefined);
});

test('a ballast that can be neither written nor given up keeps no alert back, and is seldom tried again', async () => {
  const { look, disk, alerts, logged, clock } = world();
  disk.ballastError = new Error('operation not permitted');
  for (let i = 0; i < 10; i += 1) await look(50 * GiB);
  assert.equal(logged.length, 1);
  await look(100 * GiB);
  await look(50 * GiB);
  assert.deepEqual(
    alerts.map((text) => text.slice(0, 7)),
    ['raised:', 'cleared'],
  );
  assert.equal(logged.length, 1, 'the same trouble is complained of once');
  disk.ballastError = undefined;
  await look(50 * GiB);
  assert.equal(disk.sizeBytes, 0);
  await clock.advance(600_000);
  await look(50 * GiB);
  assert.equal(disk.sizeBytes, 32 * MiB);
});
