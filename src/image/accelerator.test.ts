import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { TidepoolError } from '../domain/errors.ts';
import type { ProbeResult, ProbeSpec } from '../domain/hypervisor.ts';
import { type ChooseAcceleratorOptions, chooseAccelerator } from './accelerator.ts';

const dayMs = 24 * 3_600_000;

/** Options on a fresh cache, with a stub of the port that gives `answers` in turn and keeps what it was asked. */
async function setUp(t: TestContext, answers: readonly (ProbeResult | TidepoolError)[]) {
  const cacheDir = await mkdtemp(join(tmpdir(), 'tidepool-accelerator-'));
  t.after(() => rm(cacheDir, { recursive: true }));
  const kernelPath = join(cacheDir, 'vmlinuz');
  await writeFile(kernelPath, 'kernel');
  const asked: ProbeSpec[] = [];
  let nowMs = 0;
  const probe = async (spec: ProbeSpec): Promise<ProbeResult> => {
    const answer = answers[asked.length];
    asked.push(spec);
    if (answer === undefined) throw new Error('asked once too often');
    if (answer instanceof TidepoolError) throw answer;
    return answer;
  };
  const options: ChooseAcceleratorOptions = {
    hypervisor: { uri: 'test:///', probe },
    setting: 'auto',
    cacheDir,
    kernelPath,
    probeInitrdPath: '/probe',
    clock: { now: () => nowMs, uptimeMs: () => nowMs, sleep: async () => undefined, after: () => () => undefined },
    host: 'host 6.1',
  };
  const advance = (ms: number): void => {
    nowMs += ms;
  };
  return { options, asked, advance };
}

const works: ProbeResult = { booted: true, elapsedMs: 412.3, reason: '' };
const hangs: ProbeResult = { booted: false, elapsedMs: 8000, reason: 'no sign of life within 8 s' };

test('a set accelerator is taken without a probe', async (t) => {
  const { options, asked } = await setUp(t, []);
  assert.equal((await chooseAccelerator({ ...options, setting: 'tcg' })).accelerator, 'tcg');
  assert.equal((await chooseAccelerator({ ...options, setting: 'kvm' })).accelerator, 'kvm');
  assert.deepEqual(asked, []);
});

test('auto: a probe that boots means KVM, and is not asked again', async (t) => {
  const { options, asked, advance } = await setUp(t, [works]);
  const choice = await chooseAccelerator(options);
  assert.deepEqual(choice, { accelerator: 'kvm', reason: 'a probe VM booted under KVM in 412 ms' });
  advance(10 * dayMs);
  assert.match((await chooseAccelerator(options)).reason, /remembered/);
  assert.equal(asked.length, 1);
  assert.equal(asked[0]?.accelerator, 'kvm');
  assert.equal(asked[0]?.initrdPath, '/probe');
});

test('auto: a probe that hangs means TCG with a warning, asked again after a day', async (t) => {
  const { options, asked, advance } = await setUp(t, [hangs, works]);
  const choice = await chooseAccelerator(options);
  assert.equal(choice.accelerator, 'tcg');
  assert.match(choice.reason, /no sign of life within 8 s.*TCG/);
  advance(dayMs - 1);
  assert.equal((await chooseAccelerator(options)).accelerator, 'tcg');
  assert.equal(asked.length, 1);
  advance(1);
  assert.equal((await chooseAccelerator(options)).accelerator, 'kvm');
});

test('auto: another host or host kernel is another verdict', async (t) => {
  const { options, asked } = await setUp(t, [works, hangs]);
  await chooseAccelerator(options);
  assert.equal((await chooseAccelerator({ ...options, host: 'host 6.2' })).accelerator, 'tcg');
  assert.equal(asked.length, 2);
});

test('auto: a hypervisor out of reach is an error, and no verdict', async (t) => {
  const { options } = await setUp(t, [new TidepoolError('unavailable', 'libvirtd is gone'), works]);
  await assert.rejects(chooseAccelerator(options), { code: 'unavailable' });
  assert.equal((await chooseAccelerator(options)).accelerator, 'kvm');
});

test('auto: a damaged verdict counts as none', async (t) => {
  const { options, asked } = await setUp(t, [hangs, works]);
  await chooseAccelerator(options);
  const folder = join(options.cacheDir, 'accelerator');
  for (const name of await readdir(folder)) await writeFile(join(folder, name), '{"accelerator":"kv');
  assert.equal((await chooseAccelerator(options)).accelerator, 'kvm');
  assert.equal(asked.length, 2);
});
