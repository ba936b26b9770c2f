import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { TidepoolError, toTidepoolError } from '../domain/errors.ts';
import type { VmMove } from '../domain/store.ts';
import type { Vm } from '../domain/vm.ts';
import { FakeClock } from '../fake/clock.ts';
import type { AgentHealth } from '../protocol/agent.ts';
import type { JoinedContext } from './context.ts';
import { JoinedWorkers } from './workers.ts';

const answerLimitMs = 10_000;
const instance = 'a'.repeat(32);

/** Workers that have joined, whose agents answer or not, and a process of ours that can stand still. */
async function joined(count = 1) {
  const clock = new FakeClock();
  const state = { isSilent: false, isFull: false, stalledMs: 0, destroyed: 0, slots: 256, asked: 0, read: 0 };
  const written: number[] = [];
  const vms = new Map<string, Vm>();
  const tunnel = {
    closed: new Promise<void>(() => undefined),
    dismiss: () => undefined,
    destroy: () => {
      state.destroyed += 1;
    },
  };
  const context = {
    clock: {
      now: () => clock.now() + state.stalledMs,
      uptimeMs: () => clock.uptimeMs() + state.stalledMs,
      sleep: clock.sleep.bind(clock),
      after: clock.after.bind(clock),
    },
    link: {
      health: async () => {
        state.asked += 1;
        const capacity = { cpus: 1, memoryBytes: 1, diskBytes: 1, slots: state.slots };
        if (!state.isSilent) return { capacity, protocol: 1, runtimes: [] as string[] } as unknown as AgentHealth;
        await clock.sleep(answerLimitMs);
        throw new TidepoolError('timeout', 'no answer');
      },
    },
    tunnels: { open: () => tunnel },
    store: {
      vms: {
        ofPool: async () => [...vms.values()],
        get: async (name: string) => {
          state.read += 1;
          return vms.get(name);
        },
        insert: async (vm: Vm) => void vms.set(vm.name, vm),
        move: async (name: string, _from: unknown, { state: moved, facts }: VmMove) => {
          if (state.isFull) throw new TidepoolError('exhausted', 'the disk is full');
          const before = vms.get(name);
          if (before !== undefined) vms.set(name, { ...before, ...facts, state: moved });
          if (facts?.capacity) written.push(facts.capacity.slots);
          return true;
        },
      },
      events: { append: async () => undefined },
    },
    changes: { notify: () => undefined },
    log: () => undefined,
  } as unknown as JoinedContext;
  const workers = new JoinedWorkers(context);
  for (let i = 0; i < count; i += 1) await workers.join(`w${i}`, instance, new PassThrough());
  /** @param stallMs how long we stand still while the question is under way */
  const look = async (stallMs = 0): Promise<void> => {
    const looked = workers.look();
    await clock.advance(1);
    state.stalledMs += stallMs;
    await clock.advance(answerLimitMs);
    await looked;
  };
  return { state, written, look, workers, clock };
}

test('a worker that does not answer in time loses its link', async () => {
  const { state, look } = await joined();
  await look();
  assert.equal(state.destroyed, 0);
  state.isSilent = true;
  await look();
  assert.equal(state.destroyed, 1);
});

test('a stall of our own process cuts no worker off, however often it comes', async () => {
  const { state, look } = await joined();
  state.isSilent = true;
  for (let i = 0; i < 5; i += 1) await look(11_000);
  assert.equal(state.destroyed, 0);
  await look();
  assert.equal(state.destroyed, 1);
});

test('what a worker says later of its machine is written down, once', async () => {
  const { state, written, look } = await joined();
  await look();
  await look();
  state.slots = 3;
  await look();
  await look();
  assert.deepEqual(written, [256, 3]);
});

test('many workers are asked in groups, and those that are as before are not read again', async () => {
  const { state, workers, clock } = await joined(120);
  Object.assign(state, { asked: 0, read: 0 });
  const looked = workers.look();
  await clock.advance(0);
  assert.equal(state.asked, 50);
  await clock.advance(2_500);
  await looked;
  assert.deepEqual([state.asked, state.read], [120, 0]);
});

test('an error of ours with one worker cuts no worker off and keeps no other from being asked', async () => {
  const { state, workers, clock } = await joined(120);
  Object.assign(state, { asked: 0, slots: 3, isFull: true });
  const failed = assert.rejects(workers.look(), /the disk is full/);
  await clock.advance(2_500);
  await failed;
  assert.deepEqual([state.asked, state.destroyed], [120, 0]);
});

test('a loop that is stopped asks no more workers, and waits for those that it has asked', async () => {
  const { state, workers, clock } = await joined(120);
  Object.assign(state, { asked: 0, isSilent: true });
  const stopping = new AbortController();
  const ends: string[] = [];
  workers.look(stopping.signal).catch((error: unknown) => ends.push(toTidepoolError(error).code));
  await clock.advance(0);
  stopping.abort();
  await clock.advance(1);
  assert.deepEqual(ends, []);
  await clock.advance(answerLimitMs);
  assert.deepEqual([ends, state.asked], [['aborted'], 50]);
});
