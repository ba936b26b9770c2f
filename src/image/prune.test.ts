import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { defaultReserve } from '../domain/disk.ts';
import type { Image, Runtime } from '../domain/image.ts';
import { FakeClock } from '../fake/clock.ts';
import { type Lease, readLeases, writeLease } from './leases.ts';
import {
  defaultPruneRule,
  neededLayered,
  prune,
  spareImages,
  spareLayered,
  spareRuntimes,
  surplusLayered,
} from './prune.ts';

const hourMs = 3_600_000;
const nowMs = 1_780_000_000_000;
const GiB = 1024 ** 3;
const lease: Lease = { dataDir: '/', images: [], runtimes: [], oldestVmMs: null, reserve: defaultReserve };

function image(id: string, ageHours: number, sizeBytes = GiB): { it: Image; usedAtMs: number } {
  const createdAtMs = nowMs - ageHours * hourMs;
  const paths = { diskPath: id, kernelPath: id, initrdPath: id, commandLine: '' };
  return { it: { id, ...paths, sizeBytes, createdAtMs }, usedAtMs: createdAtMs };
}

function runtime(name: string, id: string, ageHours: number, usedHours = ageHours): { it: Runtime; usedAtMs: number } {
  const it = { name, id, path: id, sizeBytes: 1, createdAtMs: nowMs - ageHours * hourMs, image: null };
  return { it, usedAtMs: nowMs - usedHours * hourMs };
}

const ids = (all: readonly { id: string }[]) => all.map(({ id }) => id);

test('images: the current, the needed, those of the last hour and the newest few stay', () => {
  const all = [image('a', 2), image('b', 3), image('c', 4), image('d', 5), image('e', 6), image('f', 7)];
  const rule = { keepImages: 3, maxImageBytes: 100 * GiB };
  assert.deepEqual(ids(spareImages(all, [], rule, nowMs)), ['f', 'e', 'd']);
  assert.deepEqual(ids(spareImages(all, [{ ...lease, images: ['e'] }, lease], rule, nowMs)), ['f', 'd']);
  const used = all.map((one) => (one.it.id === 'f' ? { ...one, usedAtMs: nowMs - 1_000 } : one));
  assert.deepEqual(ids(spareImages(used, [], rule, nowMs)), ['e', 'd']);
  assert.deepEqual(ids(spareImages(all, [], { ...rule, maxImageBytes: GiB }, nowMs)), ['f', 'e', 'd', 'c']);
  assert.deepEqual(spareImages(all.slice(0, 1), [], { keepImages: 1, maxImageBytes: 0 }, nowMs), []);
});

test('runtimes: an old disk of a name stays for as long as a VM may have it', () => {
  const all = [runtime('python', 'new', 5), runtime('lab', 'only', 90), runtime('python', 'old', 100)];
  assert.deepEqual(ids(spareRuntimes(all, [], nowMs)), ['old']);
  const young = { ...lease, oldestVmMs: nowMs - hourMs };
  assert.deepEqual(ids(spareRuntimes(all, [young], nowMs)), ['old']);
  assert.deepEqual(spareRuntimes(all, [young, { ...lease, oldestVmMs: nowMs - 6 * hourMs }], nowMs), []);
});

test('runtimes with requirements go by their last use, and never while somebody needs them', () => {
  const name = (n: number) => `req-${String(n).padStart(12, '0')}`;
  const all = [1, 2, 3, 4].map((n) => runtime(name(n), `${n}`, 10 * n, 10 - n));
  // The oldest build was used last.
  assert.deepEqual(ids(spareLayered(all, [], 2, nowMs)), ['1', '2']);
  assert.deepEqual(ids(spareLayered(all, [{ ...lease, runtimes: [name(1)] }], 2, nowMs)), ['2']);
  assert.deepEqual(
    spareLayered(
      all.map((one) => ({ ...one, usedAtMs: nowMs })),
      [],
      2,
      nowMs,
    ),
    [],
  );
});

test('property: nothing that an installation named goes, with any two of them on one cache', async () => {
  const cache = await mkdtemp(join(tmpdir(), 'tidepool-prune-'));
  const clock = new FakeClock(nowMs);
  for (const [index, id] of ['a', 'b', 'c', 'd', 'e', 'f'].entries()) {
    const folder = join(cache, 'images', id);
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'disk.qcow2'), 'x');
    await writeFile(join(folder, 'image.json'), JSON.stringify({ createdAtMs: nowMs - (index + 2) * hourMs }));
    await utimes(join(folder, 'image.json'), 1, 1);
  }
  const [first, second] = [join(cache, 'first'), join(cache, 'second')];
  for (const dataDir of [first, second]) await mkdir(dataDir);
  await writeLease(cache, { ...lease, dataDir: first, images: ['e'] });
  await writeLease(cache, { ...lease, dataDir: second, images: ['f'] });
  assert.deepEqual(ids((await prune(cache, { ...defaultPruneRule, keepImages: 1 }, clock, true)).images), [
    'd',
    'c',
    'b',
  ]);
  assert.equal((await readdir(join(cache, 'images'))).length, 6, 'a dry run removes nothing');
  await Promise.all([
    prune(cache, defaultPruneRule, clock),
    prune(cache, { ...defaultPruneRule, keepImages: 1 }, clock),
  ]);
  assert.deepEqual((await readdir(join(cache, 'images'))).sort(), ['a', 'e', 'f']);
  await rm(second, { recursive: true });
  assert.equal((await readLeases(cache)).length, 1);
  await prune(cache, { ...defaultPruneRule, keepImages: 1 }, clock);
  assert.deepEqual((await readdir(join(cache, 'images'))).sort(), ['a', 'e']);
  await writeFile(join(cache, 'leases', 'damaged.json'), '{}');
  await writeLease(cache, { ...lease, dataDir: first });
  await assert.rejects(prune(cache, { ...defaultPruneRule, keepImages: 1 }, clock));
  assert.deepEqual((await readdir(join(cache, 'images'))).sort(), ['a', 'e'], 'what cannot be read may need anything');
  await rm(cache, { recursive: true });
});

test('runtimes with requirements have a bound also while all were used just now; what jobs need keeps another from coming', () => {
  const name = (i: number): string => `req-${String(i).padStart(12, '0')}`;
  const all = Array.from({ length: 30 }, (_, i) => runtime(name(i), String(i), 10 + i, 0.1));
  assert.equal(surplusLayered(all, [], 24, nowMs).length, 6);
  assert.equal(neededLayered(all, [], 24, nowMs), 23);
  const needs = { ...lease, runtimes: all.slice(0, 24).map(({ it }) => it.name) };
  assert.equal(neededLayered(all, [needs], 24, nowMs), 24);
  assert.ok(surplusLayered(all, [needs], 24, nowMs).every((one) => !needs.runtimes.includes(one.name)));
  const justUsed = all.map((one) => ({ ...one, usedAtMs: nowMs }));
  assert.deepEqual(surplusLayered(justUsed, [], 24, nowMs), []);
});

test('the reserve of an installation is in its lease; one from before that has the usual', async (t) => {
  const cache = await mkdtemp(join(tmpdir(), 'tidepool-lease-'));
  t.after(() => rm(cache, { recursive: true }));
  await writeLease(cache, { ...lease, dataDir: cache, reserve: { minBytes: 7, percent: 3 } });
  assert.deepEqual((await readLeases(cache))[0]?.reserve, { minBytes: 7, percent: 3 });
  const [file = ''] = await readdir(join(cache, 'leases'));
  const { reserve: _, ...old } = lease;
  await writeFile(join(cache, 'leases', file), JSON.stringify({ ...old, dataDir: cache }));
  assert.deepEqual((await readLeases(cache))[0]?.reserve, defaultReserve);
});
