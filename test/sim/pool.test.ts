import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Apart } from '../../src/fake/apart.ts';

/**
 * Seeds that found a mistake: launches not yet in the list (13); a watch begun after a VM was paused (28); more VMs in
 * service than wanted, from steps that ended while the rows were read (12, 25); a sweep taken for a removal (156, 280);
 * an event about an earlier machine of the same name (4).
 */
const lessons = [4, 12, 13, 25, 28, 156, 280];
const usualRuns = 15;

/** TIDEPOOL_SEED=N plays that one; TIDEPOOL_SIM_RUNS=N plays N of them. */
const { TIDEPOOL_SEED: one, TIDEPOOL_SIM_RUNS: runs = usualRuns } = process.env;
const first = Array.from({ length: Number(runs) }, (_, i) => i + 1);
const seeds = one === undefined ? new Set([...first, ...lessons]) : [Number(one)];

const apart = new Apart<typeof import('./play.ts')>(new URL('play.ts', import.meta.url));
after(() => apart[Symbol.asyncDispose]());

for (const seed of seeds) {
  test(`a cloud in trouble, seed ${seed}`, async () => {
    const problem = await apart.call('play', seed);
    assert.equal(problem, undefined, `again with TIDEPOOL_SEED=${seed}: ${problem}`);
  });
}
