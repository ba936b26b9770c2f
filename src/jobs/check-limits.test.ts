import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../domain/errors.ts';
import { defaultFlavors } from '../domain/flavor.ts';
import { defaultJobLimits, heldDiskBytes } from '../domain/limits.ts';
import { checkLimits, checkUserRules, flavorHolds } from './check-limits.ts';
import { defaultUserRules } from './rules.ts';

const GiB = 1024 ** 3;

function refuses(check: () => unknown, says: RegExp): void {
  assert.throws(check, (error) => {
    assert.ok(hasCode(error, 'invalid'), String(error));
    assert.match(error.message, says);
    return true;
  });
}

test('more disk than the largest VM has is refused, the kept output included', () => {
  assert.equal(checkLimits({ diskBytes: 15 * GiB }, defaultFlavors).diskBytes, 15 * GiB);
  refuses(
    () => checkLimits({ diskBytes: 1024 * GiB }, defaultFlavors),
    /bytes of disk.*the largest VM gives 19353 MiB/,
  );
  refuses(() => checkLimits({ diskBytes: 18 * GiB, outputBytes: GiB }, defaultFlavors), /twice the output included/);
});

test('a job that needs the CPUs of one size of VM and the memory or disk of another is refused', () => {
  const flavors = [
    { name: 'wide', vcpus: 8, memoryMiB: 1024, diskGiB: 4 },
    { name: 'deep', vcpus: 1, memoryMiB: 8192, diskGiB: 40 },
  ];
  assert.ok(checkLimits({ cpus: 8, memoryBytes: GiB / 2 }, flavors));
  assert.ok(checkLimits({ cpus: 1, memoryBytes: 4 * GiB, diskBytes: 30 * GiB }, flavors));
  refuses(() => checkLimits({ cpus: 8, memoryBytes: 4 * GiB }, flavors), /no size of VM has as many CPUs/);
  refuses(() => checkLimits({ cpus: 8, memoryBytes: GiB / 2, diskBytes: 30 * GiB }, flavors), /no size of VM/);
});

test('with the default limits the disk of each default size of VM holds several jobs', () => {
  for (const flavor of defaultFlavors) {
    const jobs = Math.floor(flavorHolds(flavor).diskBytes / heldDiskBytes(defaultJobLimits));
    assert.ok(jobs >= 7, `${flavor.name}: ${jobs}`);
  }
});

test('a job that a limit of its owner would keep waiting for ever is refused', () => {
  const limits = { ...defaultJobLimits, cpus: 2 };
  checkUserRules('ann', limits, { ...defaultUserRules, maxCpus: 2, maxRunning: 1 });
  refuses(
    () => checkUserRules('ann', limits, { ...defaultUserRules, maxCpus: 1 }),
    /2 CPUs were asked for; the jobs of ann may have 1 at one time \(maxCpus\)/,
  );
  refuses(() => checkUserRules('ann', limits, { ...defaultUserRules, maxRunning: 0 }), /maxRunning is 0/);
});
