import { z } from 'zod';
import { TidepoolError } from '../domain/errors.ts';
import { issuesOf } from '../protocol/issues.ts';
import { type Policy, type PolicyInput, policySchema } from './policy.ts';

/** Mean CPU over 30 s above the limit grows; shrinks when one VM fewer would still be under it. */
function mean30(name: string, cpu: number): PolicyInput {
  const windowMs = 30_000;
  return {
    kind: 'threshold',
    name,
    out: { test: 'mean', windowMs, cpu },
    in: { test: 'oneFewer', windowMs, cpu },
  };
}

/** Policies that are there without configuration, by name. The first four are the rules of the systems before this one. */
const inputs: readonly PolicyInput[] = [
  mean30('mean30-80', 0.8),
  mean30('mean30-90', 0.9),
  // Its rule says when to grow, and nothing of shrinking.
  { kind: 'threshold', name: 'spike3-75', out: { test: 'every', windowMs: 3_000, cpu: 0.75 }, in: null },
  {
    kind: 'threshold',
    name: 'window5-80-35',
    out: { test: 'every', windowMs: 5_000, cpu: 0.8, orEqual: true },
    in: { test: 'every', windowMs: 5_000, cpu: 0.35, orEqual: true },
  },
  { kind: 'target' },
  { kind: 'backlog' },
  { kind: 'predict' },
];

export const presets: readonly Policy[] = inputs.map((input) => policySchema.parse(input));

/**
 * The policies of these names: presets, and those of the configuration, which may not take a preset's name.
 * Errors: `invalid` for a name that is not there.
 */
export function policiesNamed(names: readonly string[], configured: readonly Policy[] = []): Policy[] {
  const all = [...presets, ...configured];
  return names.map((name) => {
    const policy = all.find((candidate) => candidate.name === name);
    if (policy !== undefined) return policy;
    const known = all.map((each) => each.name).join(', ');
    throw new TidepoolError('invalid', `there is no policy ${name}; there are: ${known}`);
  });
}

/** Checks policies from outside. Errors: `invalid` with the place and the reason. */
export function parsePolicies(value: unknown): Policy[] {
  const parsed = z.array(policySchema).max(16).safeParse(value);
  if (!parsed.success) throw new TidepoolError('invalid', `the policies are not right:\n${issuesOf(parsed.error)}`);
  const names = [...presets, ...parsed.data].map((policy) => policy.name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined)
    throw new TidepoolError('invalid', `two policies are named ${twice}; names of presets are taken`);
  return parsed.data;
}
