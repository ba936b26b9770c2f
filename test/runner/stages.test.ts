import assert from 'node:assert/strict';
import { existsSync, globSync } from 'node:fs';
import { test } from 'node:test';
import {
  allStages,
  alone,
  leftOutOfCheck,
  longest,
  pieces,
  type Stage,
  selectStages,
  stagesOfCheck,
} from './stages.ts';

const stage = (name: string, files: string[], command: string[] | null = null): Stage => ({
  name,
  files,
  command,
  fast: true,
  needsImage: false,
  timeLimitMs: 1,
});
const stages = [
  stage('lint', [], ['lint']),
  stage('unit', ['src/a/x.test.ts', 'src/b/y.test.ts']),
  stage('e2e', ['test/e2e/x.test.ts']),
];
const selected = (...filters: string[]) =>
  selectStages(stages, filters).map(({ name, files }) => [name, ...files].join(' '));

test('a filter is the name of a stage or a part of a path', () => {
  assert.deepEqual(selected('lint'), ['lint']);
  assert.deepEqual(selected('unit'), ['unit src/a/x.test.ts src/b/y.test.ts']);
  assert.deepEqual(selected('x.test'), ['unit src/a/x.test.ts', 'e2e test/e2e/x.test.ts']);
  assert.deepEqual(selected('lint', 'src/b'), ['lint', 'unit src/b/y.test.ts']);
  assert.deepEqual(selected('nothing'), []);
  assert.equal(selected().length, stages.length);
});

test('every test file of the repository is in exactly one stage', () => {
  const inStages = allStages().flatMap(({ files }) => files);
  const there = globSync(['src/**/*.test.ts', 'test/**/*.test.ts', 'bench/**/*.test.ts']);
  assert.deepEqual(inStages.toSorted(), there.toSorted());
});

test('what needs nothing of the system starts first, then what takes longest, at last what runs alone', () => {
  const long = longest[0] ?? assert.fail();
  const files = ['test/e2e/demo.test.ts', 'test/e2e/x.test.ts', long];
  const all = pieces([{ ...stage('e2e', files), fast: false }, stage('unit', ['src/a/x.test.ts'], ['unit'])]);
  assert.deepEqual(
    all.map(({ file, isAlone }) => [file, isAlone]),
    [
      [null, false],
      ['src/a/x.test.ts', false],
      [long, false],
      ['test/e2e/x.test.ts', false],
      ['test/e2e/demo.test.ts', true],
    ],
  );
});

test('check has the fast stages without the files that take long, and each of its stages has some', () => {
  const fast = { ...stage('sim', ['test/sim/limits.test.ts', 'test/sim/pool.test.ts']) };
  const slow = { ...stage('e2e', ['test/e2e/x.test.ts']), fast: false };
  assert.deepEqual(
    stagesOfCheck([stage('lint', [], ['lint']), fast, slow]).map(({ name, files }) => [name, files]),
    [
      ['lint', []],
      ['sim', ['test/sim/limits.test.ts']],
    ],
  );
  const names = stagesOfCheck(allStages()).map(({ name }) => name);
  for (const name of ['types', 'types-web', 'lint', 'unit', 'tidy', 'sim', 'accounts', 'api', 'web'])
    assert.ok(names.includes(name), name);
});

test('files that are named for their length or for running alone exist', () => {
  for (const path of [...longest, ...leftOutOfCheck, ...Object.keys(alone)]) assert.ok(existsSync(path), path);
});
