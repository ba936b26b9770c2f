import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { policiesNamed, presets } from '../autoscaler/presets.ts';
import { TidepoolError } from '../domain/errors.ts';
import { toJson, toTable } from './report.ts';
import { Simulation } from './run.ts';
import { makeScenario } from './scenario.ts';
import { readTrace } from './trace.ts';

const fixture = (name: string) => readTrace(readFileSync(new URL(`fixtures/${name}`, import.meta.url), 'utf8'), name);
const traceOf = (requests: readonly number[], stepMs = 10_000) => ({ startMs: 0, stepMs, requests });
const names = presets.map((policy) => policy.name);

test('capacity: the peak needs 20 VMs at 80 % CPU', () => {
  const scenario = makeScenario(traceOf([10, 3_200, 400]), {});
  assert.equal(scenario.vmCapacity, 20);
  assert.deepEqual(scenario.loads, [0.05, 16, 2]);
  assert.deepEqual(scenario.demands, [1, 17, 3]);
});

test('what cannot be is refused', () => {
  const refused = (requests: number[], options: object, reason: RegExp) =>
    assert.throws(
      () => makeScenario(traceOf(requests), options),
      (error: unknown) => error instanceof TidepoolError && error.code === 'invalid' && reason.test(error.message),
    );
  refused([0, 0], {}, /capacity of a VM must be given/);
  refused([10, 10], { vmCapacity: 10, p99Ms: 400 }, /serving alone takes 461 ms/);
  refused([1e9, 1], { vmCapacity: 1 }, /at most 1000/);
  refused([10, 10], { bootMs: 180_000 }, /boot for 180 s are given up/);
  assert.deepEqual(makeScenario(traceOf([0, 0]), { vmCapacity: 5 }).demands, [1, 1]);
});

for (const name of ['day.csv', 'flash-crowd.csv']) {
  test(`predict is the best on ${name}, with no more VM-hours than target`, async () => {
    const scenario = makeScenario(fixture(name), {});
    const results = await Promise.all(names.map((each) => new Simulation(scenario, policiesNamed([each])).run(each)));
    const of = (policy: string) => results.find((result) => result.policy === policy);
    const predict = of('predict');
    assert.ok(predict);
    for (const { policy, elasticSpeedup } of results) {
      assert.ok(policy === 'predict' || elasticSpeedup < predict.elasticSpeedup, toTable(results));
    }
    assert.ok(predict.vmHours <= (of('target')?.vmHours ?? 0), toTable(results));
  });
}

test('a run is the same each time, and its report has these names and no others', async () => {
  const scenario = makeScenario(fixture('flash-crowd.csv'), {});
  const run = () => new Simulation(scenario, policiesNamed(['mean30-80'])).run('mean30-80');
  const [first, second] = [await run(), await run()];
  assert.deepEqual(first, second);
  const [row] = JSON.parse(toJson([first])) as object[];
  assert.deepEqual(Object.keys(row ?? {}), [
    ...['policy', 'thetaU', 'thetaO', 'tauU', 'tauO', 'elasticSpeedup', 'reversals', 'vmHours', 'p99Ms', 'dropped'],
  ]);
  assert.match(toTable([first]), /^policy .*dropped\nmean30-80 +\d/);
});

test('a constant load: every policy settles and stays', async () => {
  for (const name of names) {
    const scenario = makeScenario(traceOf(new Array(120).fill(5_000)), { vmCapacity: 100 });
    const sizes: number[] = [];
    await new Simulation(scenario, policiesNamed([name])).run(name, {
      onSecond: ({ pool }) => {
        sizes.push(pool.ready);
      },
    });
    assert.deepEqual([...new Set(sizes.slice(-500))].length, 1, `${name}: ${[...new Set(sizes.slice(-500))]}`);
  }
});

test('property: bounds and launches under random load, boots, crashes and lost samples', async () => {
  const world = fc.record({
    requests: fc.array(fc.nat(20_000), { minLength: 4, maxLength: 30 }),
    chosen: fc.subarray(names, { minLength: 1, maxLength: 3 }),
    bootMs: fc.nat(60_000),
    faults: fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })),
  });
  await fc.assert(
    fc.asyncProperty(world, async ({ requests, chosen, bootMs, faults }) => {
      const scenario = makeScenario(traceOf(requests), { vmCapacity: 100, bootMs });
      const chance = () => faults.next().value ?? 1;
      await new Simulation(scenario, policiesNamed(chosen)).run('any', {
        isSeen: () => chance() > 0.1,
        async onSecond({ pool, decision }) {
          assert.ok(decision.desired >= scenario.minVms && decision.desired <= scenario.maxVms);
          assert.ok(pool.ready <= scenario.maxVms && pool.booting <= 10);
          const victim = pool.vms[0];
          if (victim !== undefined && chance() > 0.97) await pool.crash(victim.name);
        },
      });
    }),
    { numRuns: 40 },
  );
});
