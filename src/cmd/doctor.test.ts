import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Check } from '../setup/requirements.ts';
import { report, runDoctor } from './doctor.ts';

const there: Check = { name: 'QEMU', purpose: 'runs VMs', ok: true, detail: '/usr/bin/qemu', fix: '', packages: [] };
const missing: Check = {
  ...there,
  name: 'tool',
  ok: false,
  detail: 'tool is not there',
  fix: 'f',
  packages: ['tool-pkg'],
};
const byHand: Check = { ...there, name: '/etc/subuid', ok: false, detail: '0 ids', fix: 'usermod it', packages: [] };

test('the report names what is missing and every command that brings it', () => {
  assert.match(report([there], 0), /ok +QEMU +runs VMs +\/usr\/bin\/qemu\n\nAll is there\.$/);
  const text = report([there, missing, { ...missing, name: 'twin' }, byHand], 1000);
  assert.match(text, /MISSING +tool /);
  assert.match(text, /sudo apt-get install -y --no-install-recommends tool-pkg\n +usermod it$/);
});

test('the exit code is 69 when something is missing, and JSON says the same', async () => {
  const printed: string[] = [];
  const options = { json: true, print: (text: string) => printed.push(text), moreChecks: async () => [byHand] };
  assert.equal(await runDoctor(options), 69);
  const { ok, checks } = JSON.parse(printed.join(''));
  assert.equal(ok, false);
  assert.deepEqual(checks.at(-1), byHand);
});
