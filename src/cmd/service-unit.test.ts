import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasCode } from '../domain/errors.ts';
import { checkUnitPaths, serviceUnit, type UnitFacts } from './service-unit.ts';

const facts: UnitFacts = {
  root: '/opt/tidepool',
  dataDir: '/srv/tidepool',
  cacheDir: '/var/cache/tidepool',
  home: '/root',
  configFile: undefined,
  isRoot: true,
  drains: false,
};

test('a unit leaves HAProxy and VMs alone at a restart', () => {
  const unit = serviceUnit(facts);
  assert.match(unit, /^ExecStart=\/bin\/sh \/opt\/tidepool\/tidepool serve --data-dir \/srv\/tidepool --keep-vms$/m);
  assert.match(unit, /^KillMode=process$/m);
  assert.match(unit, /^TimeoutStopSec=90$/m);
  assert.match(unit, /^WantedBy=multi-user.target$/m);
  assert.match(serviceUnit({ ...facts, isRoot: false }), /^WantedBy=default.target$/m);
  assert.match(serviceUnit({ ...facts, drains: true }), /^TimeoutStopSec=infinity$/m);
});

test('a path that cannot stand in a unit is refused', () => {
  assert.throws(
    () => serviceUnit({ ...facts, dataDir: '/srv/a\nExecStart=/bin/evil' }),
    (error) => hasCode(error, 'invalid'),
  );
});

test('a configuration that is not there is refused; a data folder that is not there is named', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tidepool-unit-'));
  try {
    const file = join(folder, 'config.json');
    writeFileSync(file, '{}');
    assert.deepEqual(checkUnitPaths(folder, file), []);
    assert.match(
      checkUnitPaths(join(folder, 'data'), undefined).join(),
      /data is not there; the first start will make it/,
    );
    for (const [dataDir, config] of [
      [folder, join(folder, 'none.json')],
      [folder, folder],
      [file, undefined],
      [join(file, 'data'), undefined],
    ] as const)
      assert.throws(
        () => checkUnitPaths(dataDir, config),
        (error) => hasCode(error, 'invalid'),
      );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

const analyze = spawnSync('systemd-analyze', ['--version']);
const skip = analyze.status === 0 ? false : 'systemd-analyze is not here';
for (const [what, change] of [
  ['root', {}],
  ['root, draining', { drains: true, configFile: '/etc/tidepool.json' }],
  ['an ordinary user', { isRoot: false }],
] as const) {
  test(`systemd takes the unit of ${what}, also with strange paths`, { skip }, () => {
    const folder = mkdtempSync(join(tmpdir(), 'tidepool-unit-'));
    try {
      const root = join(folder, 'a "b" 100% $HOME');
      mkdirSync(root);
      writeFileSync(join(root, 'tidepool'), '#!/bin/sh\n');
      chmodSync(join(root, 'tidepool'), 0o755);
      const path = join(folder, 'tidepool.service');
      writeFileSync(path, serviceUnit({ ...facts, ...change, root, dataDir: join(root, 'data') }));
      const flags = 'isRoot' in change ? ['--user'] : [];
      const env = { ...process.env, XDG_RUNTIME_DIR: folder };
      const child = spawnSync('systemd-analyze', ['verify', '--man=no', ...flags, path], { encoding: 'utf8', env });
      const about = child.stderr.split('\n').filter((line) => line.includes('tidepool'));
      assert.deepEqual(about, []);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}
