import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../domain/errors.ts';
import { ApiClient } from './client.ts';
import { JobClient } from './job-client.ts';

test('a file of a submission that cannot be read is refused in words, before anything is sent', async () => {
  const jobs = new JobClient(new ApiClient({ url: 'http://127.0.0.1:1', token: null }));
  const cases: readonly (readonly [path: string, words: RegExp])[] = [
    ['/no/such/requirements.txt', /^the file \/no\/such\/requirements\.txt cannot be read: it is not there$/],
    [import.meta.dirname, /cli is not a file$/],
    [`${import.meta.filename}/x`, /a part of its path is a file, and must be a folder$/],
  ];
  for (const [requirements, words] of cases)
    await assert.rejects(
      jobs.submit({}, { script: import.meta.filename, requirements }, async () => assert.fail('it waits')),
      (error) => hasCode(error, 'invalid') && words.test(error.message),
    );
});
