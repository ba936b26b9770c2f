import assert from 'node:assert/strict';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { newRequest } from '../../loadgen/request.ts';
import { maxLineBytes, recordingLineSchema, requestOutcomes } from '../../protocol/recording.ts';
import { RecordingFile } from '../recording.ts';
import { RequestColumns } from './request-columns.ts';

function request(number: number, server: string, outcome = requestOutcomes[0]) {
  return { ...newRequest(number, 1_000_000 + number, false), endedMs: 1_000_012.3456 + number, server, outcome };
}

test('requests become lines of columns', () => {
  const columns = new RequestColumns('fib');
  columns.add(request(1, 'fib-0000'));
  columns.add(request(2, 'fib-0001'));
  columns.add({ ...request(3, 'fib-0000'), outcome: 'timeout' });
  const [line, ...others] = columns.take(5);
  assert.deepEqual(others, []);
  assert.deepEqual(recordingLineSchema.parse(line), {
    type: 'requests',
    atMs: 1_000_001,
    pool: 'fib',
    servers: ['fib-0000', 'fib-0001'],
    dueMs: [0, 1, 2],
    tookMs: [12.346, 12.346, 12.346],
    server: [0, 1, 0],
    outcome: [0, 0, requestOutcomes.indexOf('timeout')],
    omitted: 0,
  });
  assert.deepEqual(columns.take(5), []);
});

test('lines stay below their limit, whatever servers call themselves', () => {
  const columns = new RequestColumns('fib');
  for (let i = 0; i < 20_000; i += 1) columns.add(request(i * 100, `${i}`.padEnd(100, 'x')));
  const lines = columns.take(5);
  assert.ok(lines.length > 1);
  assert.equal(
    lines.reduce((sum, line) => sum + line.dueMs.length, 0),
    20_000,
  );
  for (const line of lines) assert.ok(JSON.stringify(line).length < maxLineBytes);
});

test('a writer that does not keep up loses requests, and says how many', () => {
  const columns = new RequestColumns('fib');
  for (let i = 0; i < 250_000; i += 1) columns.add(request(i, 'a'));
  const lines = columns.take(5);
  const last = recordingLineSchema.parse(lines.at(-1));
  assert.equal(last.type === 'requests' ? last.omitted : 0, 50_000);
  columns.add(request(1, 'a'));
  assert.equal(columns.take(5)[0]?.omitted, 0);
});

test('a million requests are written as they come, not gathered', { timeout: 60_000 }, async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'tidepool-requests-'));
  context.after(() => rm(folder, { recursive: true }));
  const path = join(folder, 'a.jsonl');
  const file = await RecordingFile.open(path, { atMs: 1, server: 'x', intervalMs: 1_000 });
  const columns = new RequestColumns('fib');
  let mostBytes = 0;
  const before = process.memoryUsage().rss;
  for (let second = 0; second < 20; second += 1) {
    for (let i = 0; i < 50_000; i += 1) columns.add(request(second * 50_000 + i, `fib-000${i % 3}`));
    await file.append(columns.take(5));
    mostBytes = Math.max(mostBytes, process.memoryUsage().rss - before);
  }
  await file.close();
  assert.ok((await stat(path)).size > 10_000_000);
  assert.ok(mostBytes < 250_000_000, `${mostBytes} bytes`);
});
