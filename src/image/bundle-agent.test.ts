import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
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
