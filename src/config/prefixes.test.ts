import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configSchema } from './schema.ts';

const problems = (pools: readonly { name: string; prefix?: string }[]): string[] =>
  configSchema.safeParse({ pools }).error?.issues.map(({ message }) => message) ?? [];

test('VMs of two pools never get the same names', () => {
  const twins = problems([
    { name: 'a', prefix: 'x' },
    { name: 'b', prefix: 'x' },
  ]);
  assert.match(
    twins[0] ?? '',
    /^the VMs of pool a would be named x-0000, like those of pool b; give it another prefix$/,
  );
  assert.equal(problems([{ name: 'a' }, { name: 'b', prefix: 'a' }]).length, 2);
  assert.equal(problems([{ name: 'a', prefix: 'x' }, { name: 'x' }]).length, 2);
  assert.deepEqual(problems([{ name: 'a', prefix: 'a' }, { name: 'b' }, { name: 'c', prefix: 'b-c' }]), []);
});
