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
  const state = { isSilent: false, stoodStillMs: 0, failures: [] as string[] };
  const health = (_agent: unknown, signal: AbortSignal): Promise<AgentHealth> =>
    new Promise((resolve, reject) => {
      if (!state.isSilent) return resolve({} as AgentHealth);
      signal.addEventListener('abort', () => reject(sleepAborted()));
    });
  const context = {
    clock: {
      now: () => clock.now() + state.stoodStillMs,
      uptimeMs: () => clock.uptimeMs() + state.stoodStillMs,
      sleep: clock.sleep.bind(clock),
      after: clock.after.bind(clock),
    },
    link: { health },
    cpuWantedSince: () => undefined,
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
  const ended = heartbeats(context, readyVm(), stop.signal);
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
  await clock.advance(10_000);
  state.isSilent = true;
  await clock.advance(1_000);
  // The deadline comes late: the answer could not be heard meanwhile.
  state.stoodStillMs = 20_000;
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
  once.state.stoodStillMs = 20_000;
  await once.clock.advance(5_000);
  await once.ended;
  assert.equal(once.state.failures.length, 1);

  const lagging = watched();
  lagging.state.isSilent = true;
  for (let i = 0; i < 40; i += 1) {
    lagging.state.stoodStillMs += 500;
    await lagging.clock.advance(500);
  }
  await lagging.ended;
  assert.equal(lagging.state.failures.length, 1);
});
