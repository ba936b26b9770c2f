import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../fake/clock.ts';
import { readyVm } from '../fake/vm.ts';
import { Ages } from './ages.ts';

const booting = readyVm({ state: 'booting', stateSinceMs: 5 });

/** Looks once a second for so long. */
function looker() {
  const clock = new FakeClock();
  const ages = new Ages(1_000);
  const look = (vm = booting, standing = false): number => {
    ages.look([vm], clock.uptimeMs(), () => standing);
    return ages.nowMs - ages.sinceMs(vm.name);
  };
  const looks = async (seconds: number, standing = false): Promise<number> => {
    for (let i = 0; i < seconds; i += 1) {
      await clock.advance(1_000);
      look(booting, standing);
    }
    return look(booting, standing);
  };
  return { clock, look, looks };
}

test('a stay begins when it is first seen, however long the server was away', async () => {
  const { look, looks } = looker();
  assert.equal(look(), 0);
  assert.equal(await looks(10), 10_000);
  assert.equal(look({ ...booting, state: 'ready' }), 0);
  assert.equal(look({ ...booting, createdAtMs: 7 }), 0);
});

test('neither a clock that is set nor a standstill makes a VM older', async () => {
  const { clock, look, looks } = looker();
  look();
  for (const ms of [3_600_000, -7_200_000]) clock.jump(ms);
  assert.equal(await looks(10), 10_000);
  clock.freeze(600_000);
  assert.equal(look(), 12_000);
  assert.equal(await looks(3), 15_000);
});

test('time stands for a VM that can do nothing', async () => {
  const { look, looks } = looker();
  look();
  await looks(10);
  assert.equal(await looks(300, true), 10_000);
  assert.equal(await looks(5), 15_000);
});
