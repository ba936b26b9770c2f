import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../domain/errors.ts';
import { checkEntrypoint, projectEntrypoint } from './entrypoint.ts';

const refuses = (work: () => void, words: RegExp): void =>
  assert.throws(work, (error) => hasCode(error, 'invalid') && words.test(error.message));

test('a script is a plain file name', () => {
  for (const name of ['x.py', 'über.py', '.hidden', 'a b.py']) checkEntrypoint(name);
  refuses(() => checkEntrypoint('a/b.py'), /slash/);
  refuses(() => checkEntrypoint('-c'), /dash/);
  refuses(() => checkEntrypoint(''), /empty/);
  refuses(() => checkEntrypoint('out'), /folder of the job/);
  refuses(() => checkEntrypoint('data'), /folder of the job/);
});

test("a project's file to run is the named one, or the one that must be meant", () => {
  const entry = (files: string[], named?: string, hasData = false) => projectEntrypoint(named, new Set(files), hasData);
  assert.equal(entry(['a.py', 'src/b.py'], 'src/b.py'), 'src/b.py');
  assert.equal(entry(['a.py', 'main.py', '__main__.py']), 'main.py');
  assert.equal(entry(['a.py', '__main__.py']), '__main__.py');
  assert.equal(entry(['a.py', 'src/b.py', 'README']), 'a.py');
  refuses(() => entry(['a.py', 'b.py']), /say which of its files/);
  refuses(() => entry(['src/main.py']), /say which of its files/);
  refuses(() => entry([]), /say which of its files/);
  refuses(() => entry(['a.py'], 'b.py'), /no such file/);
  refuses(() => entry(['a.py', '-m'], '-m'), /dash/);
  refuses(() => entry(['a.py'], '../a.py'), /'\.\.'/);
});

test("a project leaves the job's own folders alone", () => {
  const entry = (path: string, hasData: boolean) => projectEntrypoint(undefined, new Set(['main.py', path]), hasData);
  assert.equal(entry('data/a.csv', false), 'main.py');
  assert.equal(entry('database/a', true), 'main.py');
  refuses(() => entry('data/a.csv', true), /may not have data/);
  for (const path of ['out', 'out/a']) refuses(() => entry(path, false), /may not have out/);
});
