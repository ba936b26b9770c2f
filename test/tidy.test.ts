import assert from 'node:assert/strict';
import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { systemRequirements } from '../src/setup/requirements.ts';
import { checkBans } from './tidy/bans.ts';
import { checkComments, checkDocComments, checkLength } from './tidy/comments.ts';
import {
  checkCodeMap,
  checkCodeMapExists,
  checkDependencies,
  checkLinks,
  checkLockFile,
  checkPaths,
  type Document,
} from './tidy/documents.ts';
import { checkAgentBundle, checkCycles, checkLayers } from './tidy/imports.ts';
import { loadSources, parseSource } from './tidy/source.ts';
import { checkShellScript, checkSystemNames } from './tidy/system.ts';

/** The rules of the repository that types and the linter cannot tell. Each checker is tried on bad samples in tidy/. */
const product = loadSources('src');
const all = [...product, ...loadSources('test', 'bench')];
const folders = readdirSync('src', { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);
const documents = globSync(['*.md', 'docs/**/*.md']).map(readDocument);

function readDocument(path: string): Document {
  return { path, text: readFileSync(path, 'utf8') };
}

function none(problems: readonly string[]): void {
  if (problems.length > 0) assert.fail(problems.join('\n'));
}

test('imports follow the layers', () => none(checkLayers(product)));
test('imports have no circles', () => none(checkCycles(all)));
test("no npm package gets into the agent's bundle", () => none(checkAgentBundle(product)));
test('time, process, console and plain errors stay where they belong', () => none(product.flatMap(checkBans)));
test('no test is left out without a reason', () => {
  none(all.filter(({ path }) => path.endsWith('.test.ts')).flatMap(checkBans));
});
test('no file is too long', () => none(all.flatMap(checkLength)));
test('no mark of unfinished work, no check switched off without a reason', () => none(all.flatMap(checkComments)));
test('what is exported has a doc comment', () => none(product.flatMap(checkDocComments)));

test('the code map has every folder of src, and no other', () => {
  const { text } = readDocument('docs/ARCHITECTURE.md');
  none([...checkCodeMap(folders, text), ...checkCodeMapExists(folders, text)]);
});

test('every npm package has a reason in an ADR', () => {
  const { dependencies, optionalDependencies, devDependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
  const names = Object.keys({ ...dependencies, ...optionalDependencies, ...devDependencies });
  const adrs = documents.filter(({ path }) => path.startsWith('docs/adr/')).map(({ text }) => text);
  none(checkDependencies(names, adrs.join('\n')));
});

test('every program and file of the system that is used is in the table of requirements', () => {
  // What the browser and the guest run is not of this system.
  const scripts = globSync('scripts/*.mjs').map((path) => parseSource(path, readFileSync(path, 'utf8')));
  const sources = [...all, ...scripts].filter(({ path }) => !path.startsWith('src/web/'));
  const shell = ['scripts/launch.sh', 'tidepool', 'tidepool-dev', '.ci/run', 'src/image/runtime/finish.sh'].map(
    readDocument,
  );
  none([
    ...sources.flatMap((source) => checkSystemNames(source, systemRequirements)),
    ...shell.flatMap((script) => checkShellScript(script, systemRequirements, ['launch'])),
  ]);
});

test('links in the documents lead somewhere', () => none(documents.flatMap((each) => checkLinks(each, existsSync))));

test('nothing of one machine is in the repository', () => {
  const others = globSync(['scripts/*', '.ci/*', 'examples/**/*.{py,json,md}', 'package.json']).map(readDocument);
  none([...all, ...documents, ...others].flatMap((each) => checkPaths(each, process.cwd())));
  none(checkLockFile(readFileSync('package-lock.json', 'utf8')));
});
