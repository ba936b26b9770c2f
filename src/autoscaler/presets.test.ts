import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TidepoolError } from '../domain/errors.ts';
import { parsePolicies, policiesNamed, presets } from './presets.ts';

const isInvalid = (part: RegExp) => (error: unknown) =>
  error instanceof TidepoolError && error.code === 'invalid' && part.test(error.message);

test('the presets are there by their names', () => {
  const names = presets.map((policy) => policy.name);
  assert.deepEqual(names.slice(0, 4), ['mean30-80', 'mean30-90', 'spike3-75', 'window5-80-35']);
  assert.deepEqual(
    policiesNamed(['predict', 'target']).map((policy) => policy.kind),
    ['predict', 'target'],
  );
  assert.throws(() => policiesNamed(['best']), isInvalid(/no policy best; there are: mean30-80/));
});

test('policies of the configuration stand beside them', () => {
  const own = parsePolicies([{ kind: 'target', name: 'gentle', cpu: 0.5 }]);
  assert.equal(policiesNamed(['gentle', 'target'], own)[0]?.name, 'gentle');
});

test('what is wrong is told with its place', () => {
  assert.throws(() => parsePolicies([{ kind: 'target', name: 'a', cpu: 80 }]), isInvalid(/0\]?\.cpu/));
  assert.throws(() => parsePolicies([{ kind: 'target', name: 'a', cpus: 0.8 }]), isInvalid(/cpus/));
  assert.throws(() => parsePolicies([{ kind: 'magic' }]), isInvalid(/kind/));
  assert.throws(() => parsePolicies([{ kind: 'target' }]), isInvalid(/two policies are named target/));
});
