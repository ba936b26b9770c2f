import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HeldRevision, RolloutVm } from './held.ts';
import { type RolloutRevision, rollout } from './rollout.ts';

const nowMs = 1_000_000;

function held(number: number, slot: 0 | 1, fields: Partial<HeldRevision> = {}): HeldRevision {
  return {
    ...{ number, slot, state: 'serving', stateSinceMs: nowMs, message: '', traceback: '', retryAtMs: 0, restarts: 0 },
    ...{ traffic: 'open', trafficSinceMs: nowMs - 2_000 },
    ...fields,
  };
}
const vm = (name: string, held: HeldRevision[], fields: Partial<RolloutVm> = {}): RolloutVm => {
  return { name, phase: 'serving', runtimes: ['python'], held, ...fields };
};
const revision = (number: number, state: RolloutRevision['state'], runtime = 'python') => ({ number, state, runtime });
const told = (revisions: RolloutRevision[], vms: RolloutVm[]) => {
  const { steps, traffic, prepared, verdict } = rollout(revisions, vms, nowMs);
  return {
    steps: steps.map((step) => `${step.kind} ${step.number} on ${step.vm}.${step.slot}`),
    traffic: traffic.map((one) => `${one.vm}.${one.slot} ${one.state}`),
    prepared,
    verdict: verdict === undefined ? undefined : `${verdict.number} ${verdict.state}`,
  };
};
const one = [revision(1, 'current')];
const two = [revision(2, 'rolling'), revision(1, 'current')];
const nothing = { steps: [], prepared: [], verdict: undefined };

test('a VM with what it should have stays as it is', () => {
  assert.deepEqual(told(one, [vm('a', [held(1, 0)])]), { ...nothing, traffic: ['a.0 serving'] });
  assert.deepEqual(told([], [vm('a', [])]), { ...nothing, traffic: [] });
});

test('a new revision starts beside the old one, on one VM first', () => {
  const vms = ['c', 'a', 'b'].map((name) => vm(name, [held(1, 0)]));
  const { steps, traffic } = told(two, vms);
  assert.deepEqual(steps, ['start 2 on a.1']);
  assert.deepEqual(traffic, ['c.0 serving', 'a.0 serving', 'b.0 serving']);
});

test('requests come to both until the new one is open; then the old one is drained, and removed when none is left', () => {
  const during = (state: Partial<HeldRevision>, old: Partial<HeldRevision> = {}) =>
    told(two, [vm('a', [held(1, 0, old), held(2, 1, state)]), vm('b', [held(1, 0)])]);
  assert.deepEqual(during({ state: 'starting', traffic: 'none' }).traffic, ['a.0 serving', 'b.0 serving']);
  assert.deepEqual(during({ traffic: 'opening' }).traffic, ['a.0 serving', 'a.1 serving', 'b.0 serving']);
  const open = during({});
  assert.deepEqual(open.traffic, ['a.0 draining', 'a.1 serving', 'b.0 serving']);
  assert.deepEqual(open.steps, ['start 2 on b.1'], 'the old one may still be working');
  assert.deepEqual(during({}, { traffic: 'closing' }).steps, ['start 2 on b.1']);
  const closed = during({}, { traffic: 'closed' });
  assert.deepEqual(closed.steps, ['remove 1 on a.0', 'start 2 on b.1']);
  assert.deepEqual(closed.traffic, ['a.1 serving', 'b.0 serving']);
});

test('when the new one is not open any more, the old one that is still there serves again', () => {
  const { traffic } = told(two, [vm('a', [held(1, 0, { traffic: 'closing' }), held(2, 1, { traffic: 'opening' })])]);
  assert.deepEqual(traffic, ['a.0 serving', 'a.1 serving']);
});

test('the old one goes only when the new one has been open for a while', () => {
  const fresh = held(2, 1, { trafficSinceMs: nowMs - 1_999 });
  const early = told(two, [vm('a', [held(1, 0), fresh])]);
  assert.deepEqual(early, { ...nothing, traffic: ['a.0 serving', 'a.1 serving'] });
  assert.equal(told(two, [vm('a', [held(1, 0), held(2, 1)])]).verdict, '2 current');
  assert.equal(told([revision(2, 'rolling')], [vm('a', [fresh])]).verdict, '2 current', 'there is nothing to lose');
});

test('after the first VM a quarter change at a time', () => {
  const names = Array.from({ length: 9 }, (_, i) => `vm-${i}`);
  const vms = names.map((name, i) => vm(name, [held(1, 0), ...(i === 0 ? [held(2, 1)] : [])]));
  assert.deepEqual(told(two, vms).steps, ['start 2 on vm-1.1', 'start 2 on vm-2.1']);
});

test('it is current when every VM in service is open with it', () => {
  const done = vm('a', [held(2, 1)]);
  assert.equal(told(two, [done, vm('b', [held(1, 0), held(2, 1, { traffic: 'opening' })])]).verdict, undefined);
  assert.equal(told(two, [done, vm('b', [held(1, 0), held(2, 1)])]).verdict, '2 current');
  const others = [vm('b', [held(1, 0)], { phase: 'draining' }), vm('c', [held(1, 0)], { phase: 'preparing' })];
  assert.equal(told(two, [done, ...others]).verdict, '2 current');
  assert.equal(told(two, others).verdict, undefined, 'it has come up nowhere');
});

test('what fails on one VM is taken back from all, and the old one is brought back', () => {
  const failed = held(2, 1, {
    state: 'failed',
    message: 'it does not import',
    traceback: 'Traceback',
    traffic: 'none',
  });
  const vms = [vm('a', [held(2, 1)]), vm('b', [held(1, 0), failed]), vm('c', [held(1, 0)])];
  const { verdict } = rollout(two, vms, nowMs);
  assert.deepEqual(verdict, {
    ...{ number: 2, state: 'failed', message: 'on b: it does not import', traceback: 'Traceback' },
  });
  const { steps, traffic } = told(two, vms);
  assert.deepEqual(steps, ['start 1 on a.0', 'remove 2 on b.1']);
  assert.deepEqual(traffic, ['a.1 serving', 'b.0 serving', 'c.0 serving']);
  const back = [revision(2, 'failed'), revision(1, 'current')];
  const returned = told(back, [vm('a', [held(1, 0), held(2, 1)])]);
  assert.deepEqual(returned.traffic, ['a.0 serving', 'a.1 draining']);
  assert.deepEqual(told(back, [vm('a', [held(1, 0), held(2, 1, { traffic: 'closed' })])]).steps, ['remove 2 on a.1']);
});

test('it fails too when it never starts, or never passes the health check of the front door', () => {
  const old = { stateSinceMs: 0, trafficSinceMs: 0 };
  const with2 = (fields: Partial<HeldRevision>) => told(two, [vm('a', [held(1, 0), held(2, 1, fields)])]).verdict;
  assert.equal(with2({ ...old, state: 'starting', traffic: 'none' }), '2 failed');
  assert.equal(with2({ ...old, traffic: 'opening' }), '2 failed');
  assert.equal(with2({ state: 'starting', traffic: 'none' }), undefined);
  assert.equal(with2({ stateSinceMs: 0, traffic: 'opening' }), undefined);
  const leaving = vm('b', [held(2, 0, { state: 'failed' })], { phase: 'draining' });
  assert.equal(told(two, [leaving]).verdict, undefined, 'what ends on a VM that leaves says nothing');
});

test('beside one that serves, one whose processes end again and again has failed', () => {
  const crashing = (restarts: number) => held(2, 1, { restarts, state: 'starting', traffic: 'opening' });
  assert.equal(told(two, [vm('a', [held(1, 0), crashing(1)])]).verdict, undefined);
  assert.equal(told(two, [vm('a', [held(1, 0), crashing(2)])]).verdict, '2 failed');
  assert.equal(told([revision(2, 'rolling')], [vm('a', [crashing(2)])]).verdict, undefined, 'its agent judges');
});

test('a first revision that fails is removed, and nothing serves', () => {
  const failed = held(1, 0, { state: 'failed', traffic: 'none' });
  const rolling = told([revision(1, 'rolling')], [vm('a', [failed]), vm('b', [held(1, 0)])]);
  assert.deepEqual(rolling, {
    ...{ steps: ['remove 1 on a.0'], traffic: ['b.0 draining'], prepared: [], verdict: '1 failed' },
  });
  assert.deepEqual(told([revision(1, 'failed')], [vm('a', [])]), { ...nothing, traffic: [] });
});

test('a VM that is prepared gets the current revision, or the rolling one when there is none', () => {
  const fresh = (name: string) => vm(name, [], { phase: 'preparing' });
  assert.deepEqual(told(two, [fresh('a')]).steps, ['start 1 on a.0']);
  const all = told([revision(1, 'rolling')], [fresh('a'), fresh('b')]);
  assert.deepEqual(all.steps, ['start 1 on a.0', 'start 1 on b.0']);
  assert.deepEqual(told([revision(1, 'failed')], [fresh('a')]).prepared, ['a'], 'there is nothing to run');
  const starting = vm('a', [held(1, 0, { state: 'starting', traffic: 'none' })], { phase: 'preparing' });
  assert.deepEqual(told(one, [starting]), { ...nothing, traffic: [] });
  const serving = vm('a', [held(1, 0, { traffic: 'none' })], { phase: 'preparing' });
  assert.deepEqual(told(one, [serving]), { ...nothing, traffic: [], prepared: ['a'] });
  const failed = vm('a', [held(1, 0, { state: 'failed', retryAtMs: nowMs + 1 })], { phase: 'preparing' });
  assert.deepEqual(told(one, [failed]).prepared, ['a'], 'the VM is not at fault');
});

test('a resumed VM gets rid of what is outdated before it is prepared', () => {
  const now = [revision(3, 'current'), revision(1, 'superseded')];
  const resumed = (...all: HeldRevision[]) => told(now, [vm('a', all, { phase: 'preparing' })]);
  assert.deepEqual(resumed(held(1, 0)), { ...nothing, traffic: [], steps: ['start 3 on a.1'] });
  assert.deepEqual(resumed(held(1, 0), held(3, 1)), { ...nothing, traffic: [], steps: ['remove 1 on a.0'] });
  assert.deepEqual(resumed(held(1, 0), held(2, 1)), { ...nothing, traffic: [], steps: ['remove 1 on a.0'] });
  assert.deepEqual(resumed(held(3, 1)).prepared, ['a']);
});

test('a current revision that ended on a VM is started again there, after its pause', () => {
  const ended = (retryAtMs: number) => told(one, [vm('a', [held(1, 0, { state: 'failed', retryAtMs })])]);
  assert.deepEqual(ended(nowMs + 1), { ...nothing, traffic: [] });
  assert.deepEqual(ended(nowMs).steps, ['remove 1 on a.0']);
  assert.deepEqual(told(one, [vm('a', [])]).steps, ['start 1 on a.0']);
});

test('of two old ones that fill a VM, one makes room and the other goes on serving', () => {
  const now = [revision(3, 'current')];
  const full = (first: Partial<HeldRevision>, second: Partial<HeldRevision> = {}) =>
    told(now, [vm('a', [held(1, 0, first), held(2, 1, second)])]);
  assert.deepEqual(full({}), { ...nothing, traffic: ['a.0 draining', 'a.1 serving'] });
  assert.deepEqual(full({}, { traffic: 'closing' }).traffic, ['a.0 serving', 'a.1 draining']);
  assert.deepEqual(full({ traffic: 'closed' }), {
    ...nothing,
    steps: ['remove 1 on a.0'],
    traffic: ['a.1 serving'],
  });
});

test('a draining VM is left as it is and gets no new requests', () => {
  const { steps, traffic } = told(two, [vm('a', [held(1, 0)], { phase: 'draining' })]);
  assert.deepEqual([steps, traffic], [[], ['a.0 draining']]);
});

test('a VM without the runtime keeps what it has, and does not hold the others up', () => {
  const next = [revision(2, 'rolling', 'ml'), revision(1, 'current')];
  const old = vm('a', [held(1, 0)]);
  assert.deepEqual(told(next, [old]), { ...nothing, traffic: ['a.0 serving'] });
  const able = vm('b', [held(2, 0)], { runtimes: ['ml', 'python'] });
  assert.equal(told(next, [old, able]).verdict, '2 current');
  assert.deepEqual(told([revision(2, 'current', 'ml')], [old]).traffic, ['a.0 serving']);
});
