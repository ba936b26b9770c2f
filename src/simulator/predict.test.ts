import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Apart } from '../fake/apart.ts';
import { toTable } from './report.ts';
import { shapes } from './shapes.fake.ts';

const apart = new Apart<typeof import('./shapes.fake.ts')>(new URL('shapes.fake.ts', import.meta.url));
after(() => apart[Symbol.asyncDispose]());

for (const name of Object.keys(shapes)) {
  test(`predict has the best elastic speedup: ${name}`, async () => {
    const results = await apart.call('comparePresets', name);
    assert.equal(results[0]?.policy, 'predict', toTable(results));
  });
}
