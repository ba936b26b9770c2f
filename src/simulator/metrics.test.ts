import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AccuracyMeter, elasticSpeedup, staticAccuracy } from './metrics.ts';

test('under and over, in percent of the demand and of the time', () => {
  const meter = new AccuracyMeter();
  meter.add(4, 3);
  meter.add(4, 4);
  meter.add(2, 3);
  meter.add(1, 1);
  assert.deepEqual(meter.accuracy(), { thetaU: 6.25, thetaO: 12.5, tauU: 25, tauO: 25 });
});

test('the fixed pool has the mean demand, rounded up', () => {
  assert.deepEqual(staticAccuracy([1, 1, 1, 2]), { thetaU: 0, thetaO: 75, tauU: 0, tauO: 75 });
});

test('elastic speedup is the fourth root of the four ratios, each value at least 0.1', () => {
  const fixed = { thetaU: 10, thetaO: 40, tauU: 25, tauO: 50 };
  assert.equal(elasticSpeedup(fixed, fixed), 1);
  const perfect = { thetaU: 0, thetaO: 0.05, tauU: 0, tauO: 0 };
  assert.equal(elasticSpeedup(fixed, perfect), (100 * 400 * 250 * 500) ** 0.25);
  assert.equal(elasticSpeedup({ ...fixed, thetaU: 0 }, perfect), (400 * 250 * 500) ** 0.25);
});
