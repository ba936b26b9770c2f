import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { apiTypes, typesPath } from './api-types.ts';

test("the dashboard's types of the API are those of the server", async () => {
  const written = await readFile(typesPath, 'utf8');
  assert.ok(written === (await apiTypes()), `${typesPath} is out of date; run: npm run api-types`);
});
