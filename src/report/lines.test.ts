import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hasCode } from '../domain/errors.ts';
import { maxLineBytes } from '../protocol/recording.ts';
import { parseRecording } from './lines.ts';
import { fakeRecording } from './recording.fake.ts';

const lines = fakeRecording().map((line) => JSON.stringify(line));
const [header = ''] = lines;

async function* pieces(...texts: string[]): AsyncGenerator<string> {
  yield* texts;
}

test('a recording is read, however its text is cut into pieces', async () => {
  const text = `${lines.join('\n')}\n`;
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat({ max: text.length }), { maxLength: 8 }), async (cuts) => {
      const at = [0, ...cuts.sort((a, b) => a - b), text.length];
      const parts = at.slice(1).map((end, i) => text.slice(at[i], end));
      const parsed = await parseRecording(pieces(...parts), 'x');
      assert.deepEqual(parsed, { lines: fakeRecording(), unknown: {}, isTorn: false });
    }),
    { numRuns: 30 },
  );
});

test('lines of unknown types are passed over and counted, half a line at the end is left out', async () => {
  const text = `${header}\n{"type":"request","atMs":1}\n{"type":"request","atMs":2}\n{"type":"sam`;
  const parsed = await parseRecording(pieces(text), 'x');
  assert.equal(parsed.lines.length, 1);
  assert.deepEqual(parsed.unknown, { request: 2 });
  assert.equal(parsed.isTorn, true);
});

const broken: Readonly<Record<string, readonly [text: string, message: RegExp]>> = {
  'no JSON': [`${header}\nhello\n`, /^x, line 2: it is not JSON/],
  'no object': [`${header}\n${header}\n7\n`, /^x, line 3: it is not a JSON object/],
  'a field of another type': [
    `${header}\n${(lines[2] ?? '').replace(/"queued":\d+/, '"queued":"many"')}\n`,
    /^x, line 2: queued: /,
  ],
  'no type': [`${header}\n{"atMs":1}\n`, /^x, line 2: type: /],
  'a foreign file': ['time,requests\n1,2\n', /^x, line 1: it is not JSON/],
  'foreign JSON': ['{"type":"sample"}\n', /^x, line 1: it is not the header of a recording/],
  'foreign JSON without an end': ['{"a":1}', /^x, line 1: it is not the header/],
  'a later version': [`${header.replace('"version":1', '"version":2')}\n`, /^x, line 1: it is of version 2/],
  'an empty file': ['', /^x has no whole line/],
  'a line without an end': [`${header}\n${'x'.repeat(maxLineBytes + 1)}`, /^x, line 2: it is longer than/],
};
for (const [name, [text, message]] of Object.entries(broken)) {
  test(`an error tells where there is ${name}`, async () => {
    await assert.rejects(
      parseRecording(pieces(text), 'x'),
      (error) => hasCode(error, 'invalid') && message.test(error.message),
    );
  });
}
