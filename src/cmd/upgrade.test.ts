import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type UpgradeFacts, upgradeReport } from './upgrade.ts';

const mib = 1024 * 1024;
const facts: UpgradeFacts = {
  running: { version: '1', agentProtocol: 2 },
  here: { version: '2', agentProtocol: 2, imageId: 'new', migrations: ['0001-a', '0002-b'] },
  database: { sizeBytes: 100 * mib, migrations: ['0001-a', '0002-b'] },
  freeBytes: 1_000 * mib,
  missingArtifacts: [],
  vms: [{ name: 'vm-0', imageId: 'new' }],
  workers: ['lab'],
};

test('an upgrade to the same version does nothing', () => {
  const report = upgradeReport(facts);
  assert.deepEqual(
    [report.migrations, report.neededBytes, report.builds, report.vms, report.workers, report.problems],
    [[], 0, [], [], [], []],
  );
});

test('an upgrade tells migrations with their disk, builds, VMs of another image, workers of another protocol', () => {
  const report = upgradeReport({
    ...facts,
    running: { version: '1', agentProtocol: 1 },
    database: { sizeBytes: 100 * mib, migrations: ['0001-a'] },
    missingArtifacts: ['golden image'],
    vms: [...facts.vms, { name: 'vm-1', imageId: 'old' }, { name: 'joined', imageId: '' }],
  });
  assert.deepEqual([report.migrations, report.builds, report.vms], [['0002-b'], ['golden image'], ['vm-1']]);
  assert.deepEqual([report.workers, report.problems], [['lab'], []]);
  assert.ok(report.neededBytes >= 200 * mib);
});

test('a newer database and too little disk are reported before they stop an upgrade', () => {
  const newer = upgradeReport({ ...facts, database: { sizeBytes: 1, migrations: ['0001-a', '0099-x'] } });
  assert.match(newer.problems.join(), /newer Tidepool \(migration 0099-x\)/);
  const full = upgradeReport({ ...facts, database: { sizeBytes: 600 * mib, migrations: ['0001-a'] } });
  assert.match(full.problems.join(), /needs 1.2 GiB of disk/);
});

test('where there is no database yet there is nothing to upgrade', () => {
  assert.deepEqual(upgradeReport({ ...facts, running: null, database: null }).migrations, []);
});
