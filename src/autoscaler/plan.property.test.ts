import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { emptyMemory, type PlannerMemory, type PoolSnapshot, type VmSnapshot } from '../domain/scaling.ts';
import { loadsUntil, poolSnapshot, sampledVm, sampledVms } from '../fake/scaling.ts';
import { plan } from './plan.ts';
import { parsePolicies, policiesNamed, presets } from './presets.ts';
import { windowOf } from './window.ts';

const startMs = 1_780_000_000_000;
const names = presets.map((policy) => policy.name);
const cpu = fc.double({ min: 0, max: 1, noNaN: true });
const state = fc.constantFrom(
  'creating',
  'booting',
  'ready',
  'ready',
  'ready',
  'draining',
  'stopping',
  'failed',
  'warm',
);

const vmAt = (nowMs: number): fc.Arbitrary<VmSnapshot> =>
  fc
    .record({ name: fc.uuid(), cpus: fc.array(cpu, { maxLength: 40 }), state, ageMs: fc.nat(100_000), busy: fc.nat(3) })
    .map(({ name, cpus, state, ageMs, busy }) =>
      sampledVm(name, nowMs, cpus, { state, stateSinceMs: nowMs - ageMs, inFlight: busy }),
    );

const snapshotAt = (nowMs: number): fc.Arbitrary<PoolSnapshot> =>
  fc
    .record({
      vms: fc.array(vmAt(nowMs), { maxLength: 12 }),
      min: fc.nat(5),
      span: fc.nat(15),
      desired: fc.nat(30),
      waiting: fc.nat(500),
      perVm: fc.integer({ min: 1, max: 8 }),
      meanMs: fc.option(fc.nat(100_000)),
      loads: fc.array(fc.double({ min: 0, max: 50, noNaN: true }), { maxLength: 40 }),
      bootMs: fc.option(fc.nat(300_000)),
    })
    .map(({ vms, min, span, desired, waiting, perVm, meanMs, loads, bootMs }) =>
      poolSnapshot(vms, {
        ...{ min, max: min + span, desired, bootMs, loads: loadsUntil(nowMs, loads) },
        backlog: { waiting, perVm, meanMs },
      }),
    );

test('property: samples from before the window of the policies change no decision', () => {
  fc.assert(
    fc.property(snapshotAt(startMs), fc.subarray(names, { minLength: 1 }), (snapshot, chosen) => {
      const policies = policiesNamed(chosen);
      const sinceMs = startMs - windowOf(policies);
      const vms = snapshot.vms.map((vm) => ({ ...vm, samples: vm.samples.filter(({ atMs }) => atMs > sinceMs) }));
      assert.deepEqual(plan({ ...snapshot, vms }, policies, startMs), plan(snapshot, policies, startMs));
    }),
  );
});

test('property: within the bounds, whatever is seen, and every decision has its reasons', () => {
  fc.assert(
    fc.property(snapshotAt(startMs), fc.subarray(names, { minLength: 1 }), (snapshot, chosen) => {
      const decision = plan(snapshot, policiesNamed(chosen), startMs);
      assert.ok(decision.desired >= snapshot.min && decision.desired <= snapshot.max);
      assert.ok(Number.isInteger(decision.desired));
      assert.equal(decision.recommendations.length, chosen.length);
      for (const { reason } of decision.recommendations) {
        assert.ok(reason.code !== '' && reason.text !== '');
        for (const value of Object.values(reason.numbers)) assert.ok(Number.isFinite(value), reason.text);
      }
      assert.deepEqual(plan(snapshot, policiesNamed(chosen), startMs), decision, 'the same again');
    }),
    { numRuns: 500 },
  );
});

test('property: missing metrics never shrink a pool', () => {
  // Policies that look at CPU or load; backlog and schedule decide on what they know for sure.
  const seeing = names.filter((name) => name !== 'backlog');
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.subarray(seeing, { minLength: 1 }), cpu, (count, chosen, load) => {
      const old = sampledVms(count, startMs - 120_000, load);
      const snapshot = poolSnapshot(old, { loads: loadsUntil(startMs - 120_000, [load]) });
      assert.ok(plan(snapshot, policiesNamed(chosen), startMs).desired >= count);
    }),
  );
});

test('property: whatever part of its input a policy lacks, it does not shrink the pool by that', () => {
  const configured = parsePolicies([
    {
      kind: 'threshold',
      name: 'own',
      out: { test: 'mean', windowMs: 10_000, cpu: 0.9 },
      in: { test: 'every', windowMs: 60_000, cpu: 0.5 },
    },
    { kind: 'target', name: 'eager', stabiliseInMs: 0, windowMs: 60_000 },
    { kind: 'backlog', name: 'hasty', stabiliseInMs: 0 },
    { kind: 'predict', name: 'short', trendMs: 10_000 },
  ]);
  const all = [...presets, ...configured];
  const kinds = fc.record({
    cpus: fc.array(cpu, { minLength: 1, maxLength: 12 }),
    load: fc.double({ min: 0, max: 12, noNaN: true }),
    waiting: fc.nat(5),
    busy: fc.nat(1),
    desired: fc.nat(20),
    dropped: fc.integer({ min: 1, max: 7 }),
    which: fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }),
    oldMs: fc.constantFrom(6_000, 60_000, 3_600_000, Number.POSITIVE_INFINITY),
  });
  fc.assert(
    fc.property(kinds, ({ cpus, load, waiting, busy, desired, dropped, which, oldMs }) => {
      const lacks = (bit: number) => (dropped & bit) !== 0;
      const isBlind = (i: number) => which[i] === true || i === 0;
      const endsAt = (isOld: boolean) => startMs - (isOld ? Math.min(oldMs, 10_000_000) : 0);
      const vms = cpus.map((value, i) => {
        const isOld = lacks(1) && isBlind(i);
        const samples = isOld && oldMs === Number.POSITIVE_INFINITY ? [] : new Array(120).fill(value);
        const inFlight = lacks(2) && isBlind(i) ? null : busy;
        return sampledVm(`vm-${i}`, endsAt(isOld), samples, { inFlight, stateSinceMs: startMs - 9_000_000 });
      });
      const loads = lacks(1)
        ? loadsUntil(endsAt(true), new Array(120).fill(load))
        : loadsUntil(startMs, new Array(120).fill(load));
      const backlog = { waiting: lacks(4) ? null : waiting, perVm: 1, meanMs: null };
      const snapshot = poolSnapshot(vms, { desired, loads, backlog });
      for (const policy of all) {
        const reads = policy.kind === 'backlog' ? lacks(2) || lacks(4) : lacks(1);
        if (reads) assert.ok(plan(snapshot, [policy], startMs).desired >= desired, policy.name);
      }
    }),
    { numRuns: 300 },
  );
});

test('property: one VM more without samples never makes the decision smaller', () => {
  const seeing = ['mean30-80', 'mean30-90', 'window5-80-35', 'spike3-75'];
  fc.assert(
    fc.property(fc.array(cpu, { minLength: 1, maxLength: 20 }), fc.constantFrom(...seeing), (cpus, name) => {
      const vms = cpus.map((value, i) => sampledVm(`vm-${i}`, startMs, new Array(60).fill(value)));
      const policies = policiesNamed([name]);
      const before = plan(poolSnapshot(vms), policies, startMs);
      const blind = plan(poolSnapshot([...vms, sampledVm('blind', startMs, [])]), policies, startMs);
      if (before.action !== 'in') assert.notEqual(blind.action, 'in');
    }),
  );
});

test('property: no reversal inside the windows, under any load and a clock that jumps', () => {
  const step = fc.record({ waiting: fc.nat(20), afterMs: fc.integer({ min: -5_000, max: 20_000 }) });
  const windows = fc.record({ inMs: fc.nat(60_000), outMs: fc.nat(60_000) });
  fc.assert(
    fc.property(fc.array(step, { minLength: 5, maxLength: 80 }), windows, (steps, { inMs, outMs }) => {
      const queue = { kind: 'backlog', name: 'queue', stabiliseInMs: inMs, stabiliseOutMs: outMs };
      const policies = parsePolicies([queue]);
      let memory: PlannerMemory = emptyMemory;
      let [desired, nowMs, lastAtMs] = [5, startMs, Number.NEGATIVE_INFINITY];
      let last: 'out' | 'in' | 'none' = 'none';
      for (const { waiting, afterMs } of steps) {
        nowMs += afterMs;
        // What was before the clock was set back happened, as far as it can tell, now.
        lastAtMs = Math.min(lastAtMs, nowMs);
        const backlog = { waiting, perVm: 1, meanMs: null };
        const decision = plan(poolSnapshot([], { desired, memory, backlog }), policies, nowMs);
        const { action } = decision;
        if (action !== 'none' && last !== 'none' && action !== last) {
          assert.ok(
            nowMs - lastAtMs >= (action === 'in' ? inMs : outMs),
            `${last}, ${action} after ${nowMs - lastAtMs} ms`,
          );
        }
        if (action !== 'none') [last, lastAtMs] = [action, nowMs];
        memory = decision.memory;
        desired = decision.desired;
      }
    }),
    { numRuns: 500 },
  );
});

test('a full second of planning for 1,000 VMs takes less than 50 ms of the processor', () => {
  const vms = sampledVms(1_000, startMs, 0.5, 600);
  const loads = loadsUntil(
    startMs,
    Array.from({ length: 3_600 }, (_, i) => 500 + (i % 17)),
  );
  const policies = policiesNamed(names);
  const snapshot = poolSnapshot(vms, { max: 2_000, loads, bootMs: 10_000 });
  const times = Array.from({ length: 15 }, () => {
    const before = process.threadCpuUsage();
    plan(snapshot, policies, startMs);
    const { user, system } = process.threadCpuUsage(before);
    return (user + system) / 1_000;
  });
  // Time of the processor, and the quickest run: other programs on the machine may take the processor away for most of the time.
  const quickest = Math.min(...times);
  assert.ok(quickest < 50, `${quickest} ms with all ${policies.length} presets on one pool`);
});
