import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { errorCodes } from './errors.ts';

test('docs/exit-codes.md has each error with its exit code and HTTP status, and no other', async () => {
  const text = await readFile(new URL('../../docs/exit-codes.md', import.meta.url), 'utf8');
  const rows = [...text.matchAll(/^\| (\d+) \| `(\w+)` \| (\d+) \|/gm)];
  const documented = Object.fromEntries(
    rows.map(([, exitCode, name = '', status]) => [name, { httpStatus: Number(status), exitCode: Number(exitCode) }]),
  );
  assert.deepEqual(documented, errorCodes);
});
