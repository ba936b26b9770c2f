import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TidepoolError } from '../domain/errors.ts';
import type { Machine } from '../domain/hypervisor.ts';
import type { Vm } from '../domain/vm.ts';
import { readyVm } from '../fake/vm.ts';
import { type Comparing, compareMachines } from './compare.ts';
import type { PoolContext } from './context.ts';

const machine = (name: string, state: Machine['state']): Machine => ({
  ...{ name, uuid: name, state, pauseReason: null, endpoints: [] },
  tags: { pool: 'default', role: 'worker', imageId: 'image', keyId: 'key', createdAtMs: 1 },
  flavor: { vcpus: 1, memoryMiB: 256 },
});

/** Compares these VMs with a list of machines; returns why VMs were given up, and the names that were asked for. */
async function compared(
  vms: readonly Vm[],
  listed: readonly Machine[],
  get: (name: string) => Machine | undefined,
  now: (name: string) => Vm | undefined = (name) => vms.find((vm) => vm.name === name),
  isUnderWay: () => boolean = () => false,
): Promise<{ failures: string[]; asked: string[] }> {
  const failures: string[] = [];
  const asked: string[] = [];
  const context = {
    pool: { name: 'default' },
    hypervisor: {
      list: async () => listed,
      get: async (name: string) => {
        asked.push(name);
        return get(name);
      },
    },
    store: {
      vms: {
        ofPool: async () => vms,
        get: async (name: string) => now(name),
        move: async (_name: string, _from: unknown, { reason }: { reason: string }) => failures.push(reason),
      },
      events: { append: async () => undefined },
    },
    clock: { now: () => 1 },
    changes: { notify: () => undefined },
    log: () => undefined,
  } as unknown as PoolContext;
  const comparing: Comparing = {
    isUnderWay,
    attempt: (_name, work) => work(),
    noRoom: { stands: async () => undefined, isPast: async () => undefined },
  };
  await compareMachines(context, comparing);
  return { failures, asked };
}

const warm = readyVm({ name: 'a', state: 'warm' });
const ready = readyVm({ name: 'b' });

test('a list that is old gives no VM up: what differs is asked for by its name', async () => {
  const old = [machine('a', 'running'), machine('b', 'paused')];
  const now = (name: string): Machine => machine(name, name === 'a' ? 'paused' : 'running');
  assert.deepEqual(await compared([warm, ready], old, now), { failures: [], asked: ['a', 'b'] });
});

test('a VM whose machine is in another state, by its name too, is given up', async () => {
  const listed = [machine('a', 'paused'), machine('b', 'off')];
  const { failures, asked } = await compared([warm, ready], listed, (name) => machine(name, 'off'));
  assert.deepEqual([failures, asked], [['its machine is off'], ['b']]);
});

test('a VM whose machine cannot be asked for is judged the next time', async () => {
  const silent = (): Machine => {
    throw new TidepoolError('timeout', 'libvirt does not answer');
  };
  assert.deepEqual((await compared([ready], [], silent)).failures, []);
});

test('a look at a machine is not believed when its VM has changed since', async () => {
  const resumed = (): Vm => ({ ...warm, state: 'ready', stateSinceMs: 2_000 });
  const running = (name: string): Machine => machine(name, 'running');
  assert.deepEqual((await compared([warm], [running('a')], running, resumed)).failures, []);
  assert.deepEqual((await compared([warm], [running('a')], running)).failures, ['its machine is running']);
});

test('an answer that was given during a step gives no VM up, although the step has ended since', async () => {
  let isUnderWay = true;
  const stillRuns = (name: string): Machine => {
    isUnderWay = false;
    return machine(name, 'running');
  };
  const { failures } = await compared([warm], [machine('a', 'running')], stillRuns, undefined, () => isUnderWay);
  assert.deepEqual(failures, []);
});
