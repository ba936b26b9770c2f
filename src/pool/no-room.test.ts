import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../fake/clock.ts';
import type { PoolContext } from './context.ts';
import { NoRoom } from './no-room.ts';

const vm = { name: 'a', createdAtMs: 1, keyId: 'key' };

function room() {
  const clock = new FakeClock();
  const [events, learnt] = [[] as string[], [] as unknown[]];
  const context = {
    clock,
    store: {
      vms: { learn: async (_name: string, _keyId: string, facts: unknown) => void learnt.push(facts) },
      events: { append: async ({ name }: { name: string }) => void events.push(name) },
    },
    pool: { name: 'pool' },
    changes: { notify: () => undefined },
    log: () => undefined,
  } as unknown as PoolContext;
  return { clock, noRoom: new NoRoom(context), events, learnt };
}

test('a guest that goes on stood lately until it has gone on for 10 s, since the silence of its agent is from before', async () => {
  const { clock, noRoom, events, learnt } = room();
  assert.deepEqual([noRoom.has('a'), noRoom.stoodLately('a')], [false, false]);
  await noRoom.stands(vm);
  assert.deepEqual([noRoom.has('a'), noRoom.stoodLately('a')], [true, true]);
  await noRoom.isPast(vm, true);
  assert.deepEqual([noRoom.has('a'), noRoom.stoodLately('a')], [false, true]);
  await clock.advance(9_999);
  await noRoom.isPast(vm, true);
  assert.equal(noRoom.stoodLately('a'), true);
  await clock.advance(1);
  await noRoom.isPast(vm, true);
  assert.equal(noRoom.stoodLately('a'), false);
  assert.deepEqual(learnt, [{ isStanding: true }, { isStanding: false }]);
  assert.deepEqual(events, ['alert.raised', 'alert.cleared']);
});

test('a guest that stands again before it has proven itself is one stand, with one alert', async () => {
  const { clock, noRoom, events } = room();
  await noRoom.stands(vm);
  await noRoom.isPast(vm, true);
  await clock.advance(5_000);
  await noRoom.stands(vm);
  assert.equal(noRoom.has('a'), true);
  assert.deepEqual(events, ['alert.raised']);
});
