import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultLaunchReserve } from '../domain/disk.ts';
import { TidepoolError } from '../domain/errors.ts';
import type { HostRoom } from '../domain/hypervisor.ts';
import { FakeClock } from '../fake/clock.ts';
import { Admission, type Refusal } from './admission.ts';

const MiB = 1024 ** 2;
const GiB = 1024 ** 3;
const small = { name: 'small', vcpus: 1, memoryMiB: 1_024, diskGiB: 10 };

function host(room: Partial<HostRoom> = {}) {
  const clock = new FakeClock();
  const state = {
    room: {
      memoryBytes: 8 * GiB,
      memoryFreeBytes: 4 * GiB,
      disk: { sizeBytes: 100 * GiB, freeBytes: 50 * GiB },
      ...room,
    },
    error: undefined as TidepoolError | undefined,
    obstacle: undefined as Refusal | undefined,
    answers: 0,
    asked: 0,
  };
  const admission = new Admission({
    hypervisor: {
      hostRoom: async () => {
        state.asked += 1;
        if (state.error !== undefined) throw state.error;
        return state.room;
      },
    },
    clock,
    reserve: { memoryBytes: 512 * MiB, disk: defaultLaunchReserve },
    obstacle: async () => state.obstacle,
    onAnswer: () => {
      state.answers += 1;
    },
  });
  /** Asked until the host has answered. */
  const take = async (name: string, flavor = small): Promise<string> => {
    admission.take(name, { ...flavor, memoryMiB: 10_000_000 });
    await clock.advance(0);
    return admission.take(name, flavor)?.text ?? 'admitted';
  };
  return { clock, state, admission, take };
}

test('the first launch waits for the answer of the host, which wakes the pool', async () => {
  const { clock, state, admission } = host();
  assert.equal(admission.take('a', small)?.lacks, 'answer');
  await clock.advance(0);
  assert.equal(state.answers, 1);
  assert.equal(admission.take('a', small), undefined);
});

test('what is being launched counts as taken, until the host counts the machine', async () => {
  const { clock, state, admission, take } = host();
  assert.equal(await take('a'), 'admitted');
  assert.equal(await take('b'), 'admitted');
  assert.match(
    await take('c'),
    /^host memory: 1648 MiB are free and 512 MiB are kept in reserve; a VM of small takes 1224 MiB$/,
  );
  admission.release('a');
  admission.release('b');
  state.room = { ...state.room, memoryFreeBytes: state.room.memoryFreeBytes - 2 * 1_224 * MiB };
  assert.match(await take('c'), /^host memory: 1648 MiB/);
  await clock.advance(2_000);
  assert.match(await take('c'), /^host memory: 1648 MiB/);
  state.room = { ...state.room, memoryFreeBytes: 4 * GiB };
  await clock.advance(2_000);
  assert.equal(await take('c'), 'admitted');
});

test('below the reserve of disk nothing is launched; a disk that cannot be seen refuses nothing', async () => {
  const { clock, state, take } = host({ disk: { sizeBytes: 100 * GiB, freeBytes: 4 * GiB } });
  assert.match(await take('a'), /^host disk: 4096 MiB are free where VMs have their disks, and 5120 MiB are kept/);
  state.room = { ...state.room, disk: { sizeBytes: 10 * GiB, freeBytes: GiB } };
  await clock.advance(2_000);
  assert.match(await take('a'), /and 2048 MiB are kept/);
  state.room = { ...state.room, disk: null };
  await clock.advance(2_000);
  assert.equal(await take('a'), 'admitted');
});

test('an answer is relied on for two minutes, and not for longer', async () => {
  const { clock, state, admission, take } = host({ memoryFreeBytes: 7 * GiB });
  assert.equal(await take('a'), 'admitted');
  state.error = new TidepoolError('timeout', 'libvirt is slow');
  await clock.advance(1_500);
  assert.equal(await take('b'), 'admitted');
  await clock.advance(60_000);
  assert.equal(
    await take('b'),
    'admitted',
    'a host that kills a machine just now answers late, and a VM is to be replaced',
  );
  await clock.advance(60_000);
  assert.match(await take('c'), /not known: libvirt is slow/);
  assert.equal(admission.take('c', small)?.lacks, 'answer');
});

test('a host that cannot answer is asked again after a pause, and its failure wakes nobody', async () => {
  const { clock, state, admission } = host();
  state.error = new TidepoolError('unavailable', 'libvirt is away');
  for (let i = 0; i < 100; i += 1) {
    admission.take('a', small);
    await clock.advance(100);
  }
  assert.equal(state.answers, 0);
  assert.ok(state.asked <= 5, `${state.asked} questions in 10 s`);
  state.error = undefined;
  await clock.advance(30_000);
  admission.take('a', small);
  await clock.advance(0);
  assert.equal(admission.take('a', small), undefined);
});

test('of a small disk not more than a quarter is kept, as of the disk of the data folder', async () => {
  const disk = { sizeBytes: 4 * GiB, freeBytes: GiB };
  assert.equal(await host({ disk }).take('a'), 'admitted');
  assert.match(await host({ disk: { ...disk, freeBytes: GiB - MiB } }).take('a'), /1024 MiB are kept in reserve/);
});

test('nothing is launched while something is missing that every VM needs, and launches go on when it is there', async () => {
  const { clock, state, take } = host();
  state.obstacle = { lacks: 'network', text: 'the libvirt network lan does not exist' };
  assert.equal(await take('a'), 'the libvirt network lan does not exist');
  state.obstacle = undefined;
  await clock.advance(2_000);
  assert.equal(await take('a'), 'admitted');
});
