import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startServer, temporaryFolder, tidepool } from '../support/server.ts';

const digits = fileURLToPath(new URL('../../examples/jobs/digits.py', import.meta.url));
const pngSignature = '89504e470d0a1a0a';

test('the runtime ml in a job in a VM: scikit-learn fits, OpenCV finds edges, PyTorch trains', async () => {
  const folder = await temporaryFolder('ml');
  const dataDir = join(folder.path, 'data');
  const out = join(folder.path, 'results');
  const server = await startServer(dataDir);
  const result = await tidepool(dataDir, ['run', '--runtime', 'ml', digits, '--out', out]);
  assert.equal(result.code, 0, result.stderr);
  const report = JSON.parse(await readFile(join(out, 'report.json'), 'utf8'));
  assert.ok(report.sklearnAccuracy > 0.9, `scikit-learn: ${report.sklearnAccuracy}`);
  assert.ok(report.torchAccuracy > 0.8, `PyTorch: ${report.torchAccuracy}`);
  assert.ok(report.lastLoss < report.firstLoss / 2, 'the training made the loss smaller');
  assert.ok(report.edgeShare > 0.01 && report.edgeShare < 0.9, `edges: ${report.edgeShare}`);
  const picture = await readFile(join(out, 'digits.png'));
  assert.equal(picture.subarray(0, 8).toString('hex'), pngSignature);
  assert.ok(picture.length > 5_000);
  server.signal('SIGINT');
  assert.equal(await server.ended, 0, server.output());
  await folder.remove();
});
