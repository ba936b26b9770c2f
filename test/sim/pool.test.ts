import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Apart } from '../../src/fake/apart.ts';

const usualRuns = 20;

/** TIDEPOOL_SEED=N plays that one; TIDEPOOL_SIM_RUNS=N plays N of them. */
const { TIDEPOOL_SEED: one, TIDEPOOL_SIM_RUNS: runs = usualRuns } = process.env;
const first = Array.from({ length: Number(runs) }, (_, i) => i + 1);
const seeds = one === undefined ? first : [Number(one)];

const apart = new Apart<typeof import('./play.ts')>(new URL('play.ts', import.meta.url));
after(() => apart[Symbol.asyncDispose]());

for (const seed of seeds) {
  test(`a cloud in trouble, seed ${seed}`, async () => {
    const { problem } = await apart.call('play', seed);
    assert.equal(problem, undefined, `again with TIDEPOOL_SEED=${seed}: ${problem}`);
  });
}
