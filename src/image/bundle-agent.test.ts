import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { bundleAgent, loadBuiltinsDirectly } from './bundle-agent.ts';

test('imports of Node modules become calls that load nothing else', () => {
  const cases = [
    ['import http from "node:http";', 'const http = process.getBuiltinModule("node:http");'],
    ['import * as fs from "node:fs/promises";', 'const fs = process.getBuiltinModule("node:fs/promises");'],
    ['import { join, sep as s } from "node:path";', 'const { join, sep: s } = process.getBuiltinModule("node:path");'],
    [
      'import http, { createServer } from "node:http";',
      'const http = process.getBuiltinModule("node:http"); const { createServer } = process.getBuiltinModule("node:http");',
    ],
  ];
  for (const [from = '', to] of cases) assert.equal(loadBuiltinsDirectly(from), to);
});

test('other code is left as it is', () => {
  const code = 'const a = "import x from \\"node:http\\";";\nimport z from "zod";';
  assert.equal(loadBuiltinsDirectly(code), code);
});

test('a bundle is one module that runs, and the same source has the same version', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'tidepool-bundle-'));
  t.after(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'part.ts'), `import { sep as s } from 'node:path';\nexport const part: string = s;\n`);
  const main = join(folder, 'main.ts');
  await writeFile(
    main,
    `import { part } from './part.ts';\nimport http from 'node:http';\nconsole.log(part, typeof http.createServer);\n`,
  );
  const bundle = await bundleAgent(main);
  assert.doesNotMatch(bundle.code, /^import /m);
  await writeFile(join(folder, 'bundle.mjs'), bundle.code);
  const printed = execFileSync(process.execPath, [join(folder, 'bundle.mjs')], { encoding: 'utf8' });
  assert.equal(printed, '/ function\n');
  assert.equal((await bundleAgent(main)).version, bundle.version);
});

test('the version is the same from whichever folder it is made, and in whichever folder the source is', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'tidepool-bundle-'));
  const before = process.cwd();
  t.after(() => {
    process.chdir(before);
    return rm(folder, { recursive: true });
  });
  const versions: string[] = [];
  for (const place of ['a', 'b/c']) {
    await mkdir(join(folder, place, 'src'), { recursive: true });
    const main = join(folder, place, 'src/main.ts');
    await writeFile(join(folder, place, 'part.ts'), 'export const part = 1;\n');
    await writeFile(main, `import { part } from '../part.ts';\nconsole.log(part);\n`);
    for (const from of [before, '/', join(folder, place)]) {
      process.chdir(from);
      versions.push((await bundleAgent(main)).version);
    }
  }
  assert.equal(new Set(versions).size, 1, versions.join(' '));
});

test('the Python package beside it comes along, without its tests, and makes another version', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'tidepool-bundle-'));
  t.after(() => rm(folder, { recursive: true }));
  const main = join(folder, 'main.ts');
  await writeFile(main, 'console.log(1);\n');
  const bare = await bundleAgent(main);
  assert.deepEqual(bare.files, []);
  await mkdir(join(folder, 'python/own'), { recursive: true });
  for (const name of ['own/serve.py', 'own/__init__.py', 'own/test_serve.py', 'own/notes.md'])
    await writeFile(join(folder, 'python', name), `# ${name}\n`);
  const bundle = await bundleAgent(main);
  assert.deepEqual(bundle.files, [
    { path: 'opt/tidepool/python/own/__init__.py', mode: 0o644, content: '# own/__init__.py\n' },
    { path: 'opt/tidepool/python/own/serve.py', mode: 0o644, content: '# own/serve.py\n' },
  ]);
  assert.equal(bundle.code, bare.code);
  assert.notEqual(bundle.version, bare.version);
});
