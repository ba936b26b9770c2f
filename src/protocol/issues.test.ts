import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { issuesOf } from './issues.ts';

const schema = z.strictObject({
  port: z.int().min(0).max(65_535),
  name: z
    .string()
    .min(1)
    .regex(/^[a-z]+$/, 'lower-case letters'),
  code: z.string().regex(/^x$/),
  kind: z.enum(['a', 'b']),
  list: z.array(z.number()).max(1),
  on: z.boolean(),
  network: z.discriminatedUnion('kind', [z.strictObject({ kind: z.literal('user') })]),
  either: z.union([z.number(), z.strictObject({ folder: z.string() })]),
});

const right = {
  ...{ port: 1, name: 'a', code: 'x', kind: 'a', list: [1], on: true },
  ...{ network: { kind: 'user' }, either: 1 },
};
const cases: readonly (readonly [change: object, text: string | RegExp])[] = [
  [{ port: '3000' }, /^ {2}port: must be a (whole )?number$/],
  [{ port: 1.5 }, /^ {2}port: must be a whole number$/],
  [{ port: -1 }, '  port: must be at least 0'],
  [{ port: 70_000 }, '  port: must be at most 65535'],
  [{ port: undefined }, /^ {2}port: is missing; it must be a (whole )?number$/],
  [{ name: 'A' }, '  name: must be lower-case letters'],
  [{ code: 'y' }, /^ {2}code: must be of the form /],
  [{ kind: 'c' }, '  kind: must be "a" or "b"'],
  [{ list: [1, 2] }, '  list: must have at most 1 entries'],
  [{ list: ['x'] }, '  list[0]: must be a number'],
  [{ on: 'yes' }, '  on: must be true or false'],
  [{ prot: 1 }, '  there is nothing named "prot" here; check the spelling'],
  [{ network: { kind: 'x' } }, /^ {2}network\.kind: /],
  [{ either: true }, '  either: must be a number, or must be an object'],
];

for (const [change, text] of cases) {
  test(`${JSON.stringify(change)} is refused in plain words`, () => {
    const { error } = schema.safeParse({ ...right, ...change });
    assert.ok(error !== undefined);
    const said = issuesOf(error);
    assert.doesNotMatch(said, /Invalid|expected|received|Too (big|small)/);
    if (typeof text === 'string') assert.equal(said, text);
    else assert.match(said, text);
  });
}
