import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type VmState, vmStates } from '../domain/vm.ts';
import { readyVm } from '../fake/vm.ts';
import { whereaboutsOf } from './whereabouts.ts';

test('only a VM that is dead or gone is lost; one that may still run is waited for', () => {
  const kinds = Object.fromEntries(
    (Object.keys(vmStates) as VmState[]).map((state) => [state, whereaboutsOf(readyVm({ state })).kind]),
  );
  assert.deepEqual(kinds, {
    ...{ creating: 'here', booting: 'here', ready: 'here', warm: 'here', draining: 'here' },
    ...{ away: 'unknown', stopping: 'unknown', failed: 'unknown', dead: 'lost' },
  });
  assert.equal(whereaboutsOf(undefined).kind, 'lost');
});

test('a VM whose address is not known yet is not lost', () => {
  assert.equal(whereaboutsOf(readyVm({ state: 'booting', host: null, port: null })).kind, 'unknown');
});
