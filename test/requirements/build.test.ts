import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, cp, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { systemClock } from '../../src/clock/system-clock.ts';
import { ensureRuntime } from '../../src/cmd/artifacts.ts';
import { ensureSystem } from '../../src/cmd/system.ts';
import { defaultCacheDir } from '../../src/config/paths.ts';
import { type ErrorCode, hasCode } from '../../src/domain/errors.ts';
import type { Runtime } from '../../src/domain/image.ts';
import type { PipSource } from '../../src/domain/requirements.ts';
import { buildLayered } from '../../src/image/requirements/build.ts';
import { listRuntimes } from '../../src/image/runtime-store.ts';
import { requirementsOf } from '../../src/setup/requirements.ts';
import { serveIndex, writeWheel } from '../support/wheels.ts';

const run = promisify(execFile);
let cacheDir = '';
let wheels = '';

before(async () => {
  await ensureSystem(requirementsOf('pip'));
  const python = await ensureRuntime('python', defaultCacheDir(), systemClock, new AbortController().signal);
  cacheDir = await mkdtemp('/var/tmp/tidepool-requirements-');
  // The container's user must get to the wheels.
  await chmod(cacheDir, 0o755);
  wheels = join(cacheDir, 'wheels');
  await mkdir(wheels);
  await mkdir(join(cacheDir, 'runtimes'));
  await cp(join(python.path, '..'), join(cacheDir, 'runtimes', `python-${python.id}`), { recursive: true });
  await writeWheel(wheels, 'greet', '1.0', 'def hello():\n    return "old"\n');
  await writeWheel(wheels, 'greet', '1.2', 'import helper\ndef hello():\n    return helper.word\n', ['helper>=2']);
  await writeWheel(wheels, 'helper', '2.0', 'word = "hello from 1.2"\n');
});
after(() => rm(cacheDir, { recursive: true, force: true }));

function build(name: string, requirements: string, source: PipSource, maxBytes = 2 ** 40): Promise<Runtime> {
  const options = {
    cacheDir,
    clock: systemClock,
    source,
    isRoot: process.getuid?.() === 0,
    maxBytes,
    keep: 3,
    unusedForMs: 0,
  };
  return buildLayered(name, { base: 'python', requirements }, options);
}

/** What a runtime has of a module. */
async function installed(runtime: Runtime): Promise<string> {
  return (await run('unsquashfs', ['-l', runtime.path], { maxBuffer: 2 ** 26 })).stdout;
}

const rejects = (made: Promise<unknown>, code: ErrorCode, text: RegExp) =>
  assert.rejects(made, (error) => {
    assert.ok(hasCode(error, code), String(error));
    assert.match(error.message, text);
    return true;
  });

test('from a folder of wheels: what they need comes along, and the same is built once', async () => {
  const source: PipSource = { kind: 'folder', path: wheels };
  const runtime = await build('req-folder', 'greet>=1.1', source);
  const files = await installed(runtime);
  for (const file of ['greet.py', 'helper.py', 'greet-1.2.dist-info/METADATA'])
    assert.ok(files.includes(`dist-packages/${file}`), file);
  assert.deepEqual(await build('req-folder', 'greet>=1.1', source), runtime);
  await rejects(
    build('req-none', 'no-such-project', source),
    'invalid',
    /No matching distribution found for no-such-project/,
  );
  await rejects(build('req-old', 'greet==9', source), 'invalid', /greet==9/);
});

test('from an index: reached through the one way out, and nothing else is', async () => {
  await using index = await serveIndex(wheels);
  const runtime = await build('req-index', 'greet==1.0', { kind: 'index', url: index.url, hosts: [index.host] });
  assert.match(await installed(runtime), /dist-packages\/greet\.py/);
  assert.ok(index.requests.includes('/simple/greet/'));
  await using other = await serveIndex(wheels);
  const wrong: PipSource = { kind: 'index', url: other.url, hosts: [index.host] };
  await rejects(build('req-wrong', 'greet==1.0', wrong), 'invalid', new RegExp(`not allowed: ${other.host}`));
  assert.deepEqual(other.requests, []);
});

test('what unpacks to more than there may be is refused', async () => {
  await writeWheel(wheels, 'bomb', '1.0', `x = "${'0'.repeat(300 * 1024 ** 2)}"\n`);
  const source: PipSource = { kind: 'folder', path: wheels };
  await rejects(build('req-bomb', 'bomb', source, 250 * 1024 ** 2), 'invalid', /larger than 262144000 bytes/);
});

test('of many the oldest goes, and nothing is left of a build that failed', async () => {
  const source: PipSource = { kind: 'folder', path: wheels };
  for (let i = 0; i < 4; i += 1) await build(`req-${i}`, `greet>=0.${i}`, source);
  const names = (await listRuntimes(cacheDir)).map(({ name }) => name);
  assert.equal(names.filter((name) => name.startsWith('req-')).length, 3);
  assert.ok(names.includes('req-3') && names.includes('python') && !names.includes('req-0'));
  assert.deepEqual(await readdir(cacheDir).then((all) => all.filter((name) => name === 'building')), []);
});
