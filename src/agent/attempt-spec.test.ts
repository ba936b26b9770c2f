import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hasCode } from '../domain/errors.ts';
import { parseAttemptSpec } from './attempt-spec.ts';
import { splitFirstLine } from './first-line.ts';
import { attemptCgroupSettings, diskQuota, jobCapacity } from './limits.ts';

const spec = {
  id: 'job-1',
  runtime: 'python',
  entrypoint: 'x.py',
  args: ['a', ''],
  environment: { A: 'b' },
  network: false,
  image: null,
  limits: { cpus: 0.5, memoryBytes: 1e8, processes: 10, diskBytes: 1e6, outputBytes: 1e5, timeoutMs: 1000 },
};

const image = { uid: 0, gid: 99, command: ['python3', 'test.py'], workingFolder: '/app' };

const isInvalid = (error: unknown): boolean => hasCode(error, 'invalid');

test('a right spec is read as it is', () => {
  for (const one of [
    spec,
    { ...spec, entrypoint: '', image },
    { ...spec, image: { ...image, command: null, workingFolder: null } },
  ]) {
    assert.deepEqual(parseAttemptSpec(JSON.stringify(one)), one);
  }
});

test('wrong ones are refused', () => {
  const wrong: Record<string, unknown>[] = [
    { id: '../x' },
    { id: 'a'.repeat(65) },
    { id: 1 },
    { runtime: '../etc' },
    { entrypoint: '/x.py' },
    { entrypoint: '../x.py' },
    { entrypoint: '-c' },
    { args: ['a\0b'] },
    { args: 'a' },
    { environment: { 'A=B': 'c' } },
    { environment: { A: 1 } },
    { environment: [] },
    { network: true },
    { limits: { ...spec.limits, cpus: 0 } },
    { limits: { ...spec.limits, memoryBytes: Number.POSITIVE_INFINITY } },
    { limits: { ...spec.limits, timeoutMs: '5' } },
    { limits: null },
    { image: 'x' },
    { image: { ...image, uid: -1 } },
    { image: { ...image, gid: 65_535 } },
    { image: { ...image, uid: '0' } },
    { image: { ...image, command: [] } },
    { image: { ...image, command: ['a', 1] } },
    { image: { ...image, workingFolder: 'app' } },
    { image: { ...image, workingFolder: '/' } },
    { image: { ...image, workingFolder: '/a/../b' } },
    { image: { ...image, workingFolder: '/proc' } },
    { image: { ...image, workingFolder: '/dev/shm' } },
  ];
  for (const fields of wrong) {
    const line = JSON.stringify({ ...spec, ...fields });
    assert.throws(() => parseAttemptSpec(line), isInvalid, line);
  }
  for (const line of ['', '{', '[]', 'null', '"x"']) assert.throws(() => parseAttemptSpec(line), isInvalid, line);
});

test('whatever JSON comes, the answer is a spec or `invalid`', () => {
  fc.assert(
    fc.property(fc.json(), (line) => {
      assert.throws(() => parseAttemptSpec(line), isInvalid);
    }),
  );
});

test('the first line is split off wherever chunks end', async () => {
  const text = 'first\nsecond\nthird';
  for (let size = 1; size <= text.length; size += 1) {
    const { line, rest } = await splitFirstLine(pieces(text, size), 100);
    const chunks: Uint8Array[] = [];
    for await (const chunk of rest) chunks.push(chunk);
    assert.deepEqual([line, Buffer.concat(chunks).toString()], ['first', 'second\nthird']);
  }
  await assert.rejects(splitFirstLine(pieces('no end', 3), 100), isInvalid);
  await assert.rejects(splitFirstLine(pieces('x'.repeat(200), 3), 100), isInvalid);
});

test('a fraction of a CPU is a quota, all of them are none', () => {
  assert.equal(attemptCgroupSettings(spec.limits, 2)['cpu.max'], '50000 100000');
  assert.equal(attemptCgroupSettings({ ...spec.limits, cpus: 2 }, 2)['cpu.max'], undefined);
  assert.equal(attemptCgroupSettings({ ...spec.limits, cpus: 0.001 }, 2)['cpu.max'], '1000 100000');
});

test('jobs leave memory and disk for the agent, in machines of any size', () => {
  const GiB = 1024 ** 3;
  for (const memoryBytes of [GiB / 2, GiB, 64 * GiB]) {
    const capacity = jobCapacity({ cpus: 1, memoryBytes, diskBytes: 10 * GiB });
    assert.ok(memoryBytes - capacity.memoryBytes >= 160 * 1024 * 1024);
    assert.ok(capacity.diskBytes < 10 * GiB && capacity.diskBytes > 9 * GiB);
  }
});

test('a disk limit is whole blocks and enough inodes', () => {
  assert.deepEqual(diskQuota(1), { blocksKiB: 1, inodes: 20_000 });
  assert.deepEqual(diskQuota(1024 ** 3), { blocksKiB: 1024 ** 2, inodes: 65_536 });
});

async function* pieces(text: string, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < text.length; at += size) yield Buffer.from(text.slice(at, at + size));
}
