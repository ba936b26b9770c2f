import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryFolder, tidepool } from '../support/server.ts';

test('the demonstration shows all that it promises, within five minutes', { timeout: 400_000 }, async () => {
  const folder = await temporaryFolder('demo-test');
  try {
    const page = join(folder.path, 'demo.html');
    const { code, stdout, stderr } = await tidepool(folder.path, ['demo', '--html', page]);
    assert.equal(code, 0, `${stdout}${stderr}`);
    for (const act of [1, 2, 3, 4, 5, 6]) assert.match(stdout, new RegExp(`^Act ${act}: `, 'm'));
    assert.match(stdout, /PyTorch: accuracy 0\.\d+/);
    assert.match(stdout, /\d+ requests were sent and none was lost/);
    const html = await readFile(page, 'utf8');
    assert.match(html, /^<!doctype html>/i);
    assert.match(html, /fibonacci-\d{4}/);
  } finally {
    await folder.remove();
  }
});
