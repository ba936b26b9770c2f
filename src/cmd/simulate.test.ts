import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { TidepoolError } from '../domain/errors.ts';
import { simulate } from './simulate.ts';

let folder = '';
let trace = '';

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tidepool-simulate-'));
  trace = join(folder, 'load.csv');
  const rows = Array.from({ length: 30 }, (_, i) => `${i * 10},${i < 10 ? 100 : 900}`);
  await writeFile(trace, ['time,requests', ...rows].join('\n'));
});
after(() => rm(folder, { recursive: true }));

const isInvalid = (part: RegExp) => (error: unknown) =>
  error instanceof TidepoolError && error.code === 'invalid' && part.test(error.message);

test('a table with one line a policy, or JSON', async () => {
  const table = await simulate({ trace, policy: ['target', 'predict'] });
  assert.deepEqual(
    table.split('\n').map((line) => line.split(' ')[0]),
    ['policy', 'target', 'predict'],
  );
  const json = JSON.parse(
    await simulate({ trace, policy: ['target+backlog'], boot: '5', vmCapacity: '20', json: true }),
  );
  assert.equal(json[0].policy, 'target+backlog');
});

test('paced: the same result, and each change is told', async () => {
  const lines: string[] = [];
  const paced = await simulate({ trace, policy: ['predict'], speed: '10000' }, (line) => lines.push(line));
  assert.equal(paced, await simulate({ trace, policy: ['predict'] }));
  assert.match(lines[0] ?? '', /^predict: 1970-01-01T00:01:41.000Z grows from \d+ to \d+ \(predict: load/);
});

test('what is wrong is told', async () => {
  await assert.rejects(simulate({ trace, policy: [] }), isInvalid(/at least one/));
  await assert.rejects(simulate({ trace, policy: ['best'] }), isInvalid(/no policy best/));
  await assert.rejects(simulate({ trace: join(folder, 'none.csv'), policy: ['target'] }), isInvalid(/cannot be read/));
  await assert.rejects(simulate({ trace, policy: ['target'], vmCapacity: '-1' }), isInvalid(/--vm-capacity/));
  await assert.rejects(simulate({ trace, policy: ['target'], speed: 'fast' }), isInvalid(/--speed/));
  await assert.rejects(simulate({ trace, policy: ['target'], boot: 'soon' }), isInvalid(/"soon" is not a time/));
});
