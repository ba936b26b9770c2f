import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { defaultP99, leastP99, slowerThan, vmsForLoad, waitProbability } from './queueing.ts';

const near = (actual: number, expected: number, within = 1e-3) =>
  assert.ok(Math.abs(actual - expected) <= within, `${actual} is not ${expected}`);

test('Erlang C as in the tables', () => {
  near(waitProbability(1, 0.8), 0.8);
  near(waitProbability(2, 1), 1 / 3);
  near(waitProbability(10, 8), 0.4092);
  near(waitProbability(20, 16), 0.2561);
});

test('one VM is an M/M/1 queue', () => {
  near(slowerThan(1, 0.5, 3), Math.exp(-1.5), 1e-9);
  near(slowerThan(1, 0.8, defaultP99), 0.01, 1e-9);
  near(slowerThan(2, 1, 2), (1 - 1 / 3) * Math.exp(-2) + Math.exp(-2), 1e-9);
});

test('the default lets one VM go to 80 % CPU, and many share their reserve', () => {
  assert.equal(vmsForLoad(0), 1);
  assert.equal(vmsForLoad(0.79), 1);
  assert.equal(vmsForLoad(0.81), 2);
  assert.equal(vmsForLoad(16), 17);
});

test('property: the fewest VMs that keep the target, and no fewer for more load', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0, max: 300, noNaN: true }),
      fc.double({ min: leastP99 * 1.01, max: 100, noNaN: true }),
      (load, p99) => {
        const vms = vmsForLoad(load, p99);
        assert.ok(vms > load && slowerThan(vms, load, p99) <= 0.01);
        if (vms > 1) assert.ok(vms - 1 <= load || slowerThan(vms - 1, load, p99) > 0.01);
        assert.ok(vmsForLoad(load * 1.1, p99) >= vms);
      },
    ),
  );
});
