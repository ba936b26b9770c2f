import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptyDraft } from './draft.ts';
import { sendDraft, submissionOf, words } from './upload.ts';

test('arguments are cut at blanks; quotes keep them', () => {
  assert.deepEqual(words(''), []);
  assert.deepEqual(words('  --epochs 3  '), ['--epochs', '3']);
  assert.deepEqual(words(`--name "two words" 'and three more'`), ['--name', 'two words', 'and three more']);
});

test('limits become bytes and milliseconds; what is no number is refused', () => {
  const draft = { ...emptyDraft(), memoryMiB: '1.5', timeoutMinutes: '0.5', args: '-v' };
  assert.deepEqual(submissionOf(draft).limits, { cpus: 1, memoryBytes: 1_572_864, timeoutMs: 30_000 });
  assert.deepEqual(submissionOf(draft).args, ['-v']);
  for (const cpus of ['', 'x', '0', '-1'])
    assert.throws(() => submissionOf({ ...draft, cpus }), /CPUs is a number above 0/);
});

test('an upload that was stopped before it began is not sent', async () => {
  const sending = sendDraft(emptyDraft(), () => undefined, AbortSignal.abort());
  await assert.rejects(sending, /the upload was stopped/);
});
