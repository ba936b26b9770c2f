import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkBans } from './bans.ts';
import { checkComments, checkDocComments, checkLength, maxLines } from './comments.ts';
import {
  checkCodeMap,
  checkCodeMapExists,
  checkDependencies,
  checkLinks,
  checkLockFile,
  checkPaths,
} from './documents.ts';
import { checkAgentBundle, checkCycles, checkLayers } from './imports.ts';
import { parseSource } from './source.ts';

/** Each checker on samples that break its rule and on samples that come close and do not. */
const table = {
  domain: { imports: [], packages: [] },
  pool: { imports: ['domain', 'protocol/api.ts'], packages: ['zod'] },
};

function layerProblems(text: string, path = 'src/pool/a.ts'): number {
  return checkLayers([parseSource(path, text)], table).length;
}

test('layers: folders, single files and packages that are not in the table', () => {
  assert.equal(layerProblems("import { x } from '../domain/x.ts'; import { z } from 'zod/v4'; import 'node:fs';"), 0);
  assert.equal(layerProblems("import type { x } from '../protocol/api.ts'; import './b.ts';"), 0);
  for (const bad of [
    "import { x } from '../libvirt/x.ts';",
    "import type { x } from '../libvirt/x.ts';",
    "export * from '../libvirt/x.ts';",
    "export { x } from '../libvirt/x.ts';",
    "const x = await import('../libvirt/x.ts');",
    "import { x } from '../protocol/agent.ts';",
    "import fastify from 'fastify';",
    "import { readFile } from 'fs';",
  ]) {
    assert.equal(layerProblems(bad), 1, bad);
  }
  assert.equal(layerProblems('', 'src/unknown/a.ts'), 1);
  assert.equal(layerProblems('', 'src/loose.ts'), 1);
  assert.equal(layerProblems("import fc from 'fast-check'; import '../fake/clock.ts';", 'src/pool/a.test.ts'), 0);
  assert.equal(layerProblems("import fc from 'fast-check';"), 1);
});

test("agent bundle: a package reached through another folder's file", () => {
  const agent = parseSource('src/agent/main.ts', "import '../protocol/a.ts';");
  assert.equal(checkAgentBundle([agent, parseSource('src/protocol/a.ts', "import 'node:fs';")]).length, 0);
  assert.equal(checkAgentBundle([agent, parseSource('src/protocol/a.ts', "import { z } from 'zod';")]).length, 1);
});

test('circles: found once, however long; a diamond is none', () => {
  const file = (name: string, ...targets: string[]) =>
    parseSource(`src/x/${name}.ts`, targets.map((target) => `import './${target}.ts';`).join('\n'));
  assert.deepEqual(checkCycles([file('a', 'b', 'c'), file('b', 'd'), file('c', 'd'), file('d')]), []);
  assert.deepEqual(checkCycles([file('a', 'b'), file('b', 'c'), file('c', 'a')]), [
    'src/x/a.ts -> src/x/b.ts -> src/x/c.ts -> src/x/a.ts',
  ]);
  assert.equal(checkCycles([file('a', 'a')]).length, 1);
});

function bans(text: string, path = 'src/pool/a.ts'): number {
  return checkBans(parseSource(path, text)).length;
}

test('bans: time, timers, process, console, plain errors', () => {
  for (const bad of [
    'const t = Date.now();',
    'const t = performance.now();',
    'const d = new Date();',
    'setTimeout(() => undefined, 1);',
    'setInterval(f, 1);',
    "import { setTimeout as sleep } from 'node:timers/promises';",
    'const e = process.env.HOME;',
    "import { env } from 'node:process';",
    'console.log(1);',
    "throw new Error('no code');",
  ]) {
    assert.equal(bans(bad), 1, bad);
    assert.equal(bans(bad, 'src/pool/a.test.ts'), 0, bad);
  }
  for (const good of [
    "const d = new Date(0); const s = 'Date.now() setTimeout(f) process.env';",
    '// Date.now() and process.env in a comment\nconst a = job.process.id;',
    "throw new TidepoolError('invalid', 'what');",
    'clock.setTimeout(f, 1); const { now } = clock;',
  ]) {
    assert.equal(bans(good), 0, good);
  }
  assert.equal(bans('process.exit(1); console.log(1);', 'src/cmd/a.ts'), 0);
  assert.equal(bans('const t = Date.now(); setTimeout(f, 1);', 'src/clock/system-clock.ts'), 0);
});

test('bans: tests that leave other tests out', () => {
  const path = 'src/pool/a.test.ts';
  for (const bad of [
    "test.only('x', f);",
    "describe.skip('x', f);",
    "test('x', { only: true }, f);",
    "test('x', { skip: true }, f);",
  ]) {
    assert.equal(bans(bad, path), 1, bad);
  }
  assert.equal(bans("test('x', { skip: 'needs a second host' }, f); query.only('x');", path), 0);
});

test('comments: unfinished work and silenced checks', () => {
  const problems = (text: string) => checkComments(parseSource('src/x/a.ts', text)).length;
  const mark = (word: string) => `// ${word}: later\n`;
  // Put together here, because this file is checked too.
  for (const bad of [
    mark('TO' + 'DO'),
    mark('FIX' + 'ME'),
    `/* ${'@ts-'}ignore */`,
    `// ${'biome-'}ignore lint/x: y`,
  ]) {
    assert.equal(problems(bad), 1, bad);
  }
  assert.equal(problems(`// ${'biome-'}ignore lint/style/x: the format wants it\nconst s = '${'TO' + 'DO'}';`), 0);
});

test('doc comments: right before each exported function and class', () => {
  const problems = (text: string, path = 'src/x/a.ts') => checkDocComments(parseSource(path, text)).length;
  assert.equal(problems('/** What. */\nexport function f() {}\n/** What. */\nexport class C {}'), 0);
  assert.equal(problems('function inner() {}\nexport const n = 1;'), 0);
  for (const bad of [
    'export function f() {}',
    'export class C {}',
    '// Not a doc comment.\nexport function f() {}',
    '/** Of something else. */\nconst a = 1;\nexport async function f() {}',
  ]) {
    assert.equal(problems(bad), 1, bad);
    assert.equal(problems(bad, 'src/x/a.test.ts'), 0, bad);
  }
});

test('length: up to the limit', () => {
  const lines = (count: number) => checkLength(parseSource('src/x/a.ts', 'f();\n'.repeat(count))).length;
  assert.deepEqual([lines(maxLines), lines(maxLines + 1)], [0, 1]);
});

test('documents: code map, reasons for packages, links, paths, lock file', () => {
  assert.equal(checkCodeMap(['pool', 'jobs'], 'Of `src/pool/` only.').length, 1);
  assert.equal(checkCodeMapExists(['pool'], '`src/pool/`, and `src/web/` that is not there').length, 1);
  assert.equal(checkDependencies(['zod', 'kysely'], 'only `zod` is told of, and kysely in passing').length, 1);

  const links = (text: string) => checkLinks({ path: 'docs/a.md', text }, (path) => path === 'docs/b.md').length;
  assert.equal(links('[b](b.md) [part](b.md#part) [web](https://example.org) [here](#part)'), 0);
  assert.equal(links('[c](c.md) [up](../b.md)'), 2);

  const paths = (text: string) => checkPaths({ path: 'a.ts', text }, '/srv/checkout').length;
  assert.equal(paths('mount /work and /var/lib/tidepool; cannot enter /root; /home of all'), 0);
  assert.equal(paths(`/${'home'}/ada/x and /${'root'}/.cache and /srv/checkout/src`), 3);

  assert.equal(checkLockFile('"resolved": "https://registry.npmjs.org/a.tgz"').length, 0);
  assert.equal(checkLockFile('"resolved": "http://mirror.example/a.tgz"').length, 1);
});
