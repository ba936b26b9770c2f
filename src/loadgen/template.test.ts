import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hasCode } from '../domain/errors.ts';
import { parseTemplate } from './template.ts';

const middle = (): number => 0.5;

test('the number and random numbers are put in; other braces stay', () => {
  const cases: [text: string, rendered: string][] = [
    ['/27', '/27'],
    ['/{n}', '/7'],
    ['{"plate": "{n}"}', '{"plate": "7"}'],
    ['{n}{n}-{random:20-27}', '77-24'],
    ['{random:5-5}', '5'],
    ['{m} {random:1} {random:a-b}', '{m} {random:1} {random:a-b}'],
    ['', ''],
  ];
  for (const [text, rendered] of cases) assert.equal(parseTemplate(text, middle).render(7), rendered);
  assert.equal(parseTemplate('/27', middle).isConstant, true);
  assert.equal(parseTemplate('/{n}', middle).isConstant, false);
});

test('random numbers are within their bounds, both included', () => {
  const bound = fc.nat({ max: 1_000 });
  fc.assert(
    fc.property(bound, bound, fc.double({ min: 0, max: 0.999_999, noNaN: true }), (low, span, random) => {
      const value = Number(parseTemplate(`{random:${low}-${low + span}}`, () => random).render(1));
      assert.ok(Number.isInteger(value) && value >= low && value <= low + span);
    }),
  );
  assert.equal(parseTemplate('{random:0-9}', () => 0.999_999).render(1), '9');
});

test('bounds the wrong way round are refused', () => {
  assert.throws(
    () => parseTemplate('{random:9-1}', middle),
    (error) => hasCode(error, 'invalid'),
  );
});
