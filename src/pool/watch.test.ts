import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sleepAborted } from '../domain/clock.ts';
import { FakeClock } from '../fake/clock.ts';
import { readyVm } from '../fake/vm.ts';
import type { AgentHealth } from '../protocol/agent.ts';
import type { PoolContext } from './context.ts';
import { heartbeats } from './watch.ts';

/** A VM in service whose agent answers at once, or not at all, on a host that can stand still. */
function watched() {
  const clock = new FakeClock();
  const state = {
    ...{ isSilent: false, cpu: 0 as number | undefined, stands: false, failures: [] as string[] },
    ...{ offMs: 0, sets: 0, onLook: (): undefined => undefined },
  };
  const health = (_agent: unknown, signal: AbortSignal): Promise<AgentHealth> =>
    new Promise((resolve, reject) => {
      if (!state.isSilent) return resolve({ clockMs: clock.now() + state.offMs } as AgentHealth);
      signal.addEventListener('abort', () => reject(sleepAborted()));
    });
  const context = {
    clock,
    link: {
      health,
      setClock: async () => {
        state.sets += 1;
        state.offMs = 0;
      },
    },
    hypervisor: { get: async () => state.onLook() },
    cpuWantedSince: () => state.cpu,
    store: {
      vms: {
        move: async (_name: string, _from: unknown, { reason }: { reason: string }) => state.failures.push(reason),
      },
      events: { append: async () => undefined },
    },
    changes: { notify: () => undefined },
    pool: { name: 'default' },
    log: () => undefined,
  } as unknown as PoolContext;
  const stop = new AbortController();
  const ended = heartbeats(context, readyVm(), stop.signal, () => state.stands);
  return { clock, state, stop: () => stop.abort(), ended };
}

test('an agent that falls silent is noticed within three seconds', async () => {
  const { clock, state, ended } = watched();
  await clock.advance(10_000);
  assert.deepEqual(state.failures, []);
  state.isSilent = true;
  await clock.advance(3_000);
  await ended;
  assert.equal(state.failures.length, 1);
  assert.match(state.failures[0] ?? '', /it hangs: no answer/);
});

test('a host that stands still for some seconds, and its guests with it, costs no VM', async () => {
  const { clock, state, stop, ended } = watched();
  state.cpu = undefined;
  await clock.advance(10_000);
  state.isSilent = true;
  await clock.advance(1_000);
  // The deadline comes late: the answer could not be heard meanwhile.
  clock.freeze(20_000);
  await clock.advance(1_500);
  state.isSilent = false;
  await clock.advance(10_000);
  assert.deepEqual(state.failures, []);
  stop();
  await ended;
});

test('an agent that is dead after the host stood still is noticed too, and also on one that always lags', async () => {
  const once = watched();
  await once.clock.advance(10_000);
  once.state.isSilent = true;
  await once.clock.advance(1_000);
  once.clock.freeze(20_000);
  await once.clock.advance(5_000);
  await once.ended;
  assert.equal(once.state.failures.length, 1);

  const lagging = watched();
  lagging.state.isSilent = true;
  for (let i = 0; i < 40; i += 1) {
    lagging.clock.freeze(500);
    await lagging.clock.advance(500);
  }
  await lagging.ended;
  assert.equal(lagging.state.failures.length, 1);
});

test('without samples a silent agent is waited for as a busy one is: no sample is no evidence', async () => {
  const { clock, state, stop, ended } = watched();
  state.cpu = undefined;
  for (const silentMs of [2_600, 8_000, 11_000]) {
    state.isSilent = true;
    await clock.advance(silentMs);
    state.isSilent = false;
    await clock.advance(5_000);
  }
  assert.deepEqual(state.failures, []);
  stop();
  await ended;

  const dead = watched();
  dead.state.cpu = undefined;
  dead.state.isSilent = true;
  await dead.clock.advance(18_000);
  await dead.ended;
  assert.match(dead.state.failures[0] ?? '', /silent for 1[5-7]\d\d\d ms/);
});

test('neither a clock that is set nor a standstill counts as silence, however long', async () => {
  const { clock, state, stop, ended } = watched();
  state.cpu = undefined;
  await clock.advance(5_000);
  state.isSilent = true;
  for (const ms of [3_600_000, -7_200_000]) {
    clock.jump(ms);
    await clock.advance(900);
  }
  state.isSilent = false;
  await clock.advance(5_000);
  for (let i = 0; i < 3; i += 1) {
    state.isSilent = true;
    await clock.advance(1_200);
    clock.freeze(600_000);
    await clock.advance(100);
    state.isSilent = false;
    await clock.advance(5_000);
  }
  assert.deepEqual(state.failures, []);
  stop();
  await ended;
});

test('a guest that is seen standing while the hypervisor is asked about it is not given up', async () => {
  const { clock, state, stop, ended } = watched();
  state.isSilent = true;
  state.onLook = () => {
    state.stands = true;
    return undefined;
  };
  await clock.advance(20_000);
  assert.deepEqual(state.failures, []);
  stop();
  await ended;
});

test('time in which a guest is known to stand for lack of room is not charged to it', async () => {
  const { clock, state, stop, ended } = watched();
  state.cpu = undefined;
  state.isSilent = true;
  state.stands = true;
  await clock.advance(60_000);
  state.stands = false;
  await clock.advance(10_000);
  assert.deepEqual(state.failures, []);
  stop();
  await ended;
});

test('the clock of a guest that drifts away is set while it serves, and not because of a slow answer or again at once', async () => {
  const { clock, state, stop, ended } = watched();
  await clock.advance(10_000);
  state.offMs = 900;
  await clock.advance(10_000);
  assert.equal(state.sets, 0);
  // As after a suspend of the host.
  state.offMs = -3_600_000;
  await clock.advance(1_000);
  assert.equal(state.sets, 1);
  state.offMs = 5_000;
  await clock.advance(30_000);
  assert.equal(state.sets, 1);
  await clock.advance(40_000);
  assert.equal(state.sets, 2);
  assert.deepEqual(state.failures, []);
  stop();
  await ended;
});
