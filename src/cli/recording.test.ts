import assert from 'node:assert/strict';
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { hasCode } from '../domain/errors.ts';
import { maxLineBytes, recordingLineSchema } from '../protocol/recording.ts';
import { RecordingFile } from './recording.ts';
import { exampleDecision, exampleEvent, examplePool, exampleUsage } from './top/cloud.fake.ts';
import { eventLine, firstDecisionLines, sampleLines } from './top/record.ts';

const header = { atMs: 1, server: 'http://127.0.0.1:3000', intervalMs: 1_000 };
const line = { type: 'event' as const, ...exampleEvent(1) };
let folder = '';

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tidepool-recording-'));
});
after(() => rm(folder, { recursive: true }));

async function typesIn(path: string): Promise<string[]> {
  const lines = (await readFile(path, 'utf8')).trimEnd().split('\n');
  return lines.map((text) => recordingLineSchema.parse(JSON.parse(text)).type);
}

async function record(path: string): Promise<void> {
  const recording = await RecordingFile.open(path, header);
  await recording.append([line]);
  await recording.close();
}

test('a recording that is there is appended to, with a header of its own', async () => {
  const path = join(folder, 'twice.jsonl');
  await record(path);
  await record(path);
  assert.deepEqual(await typesIn(path), ['header', 'event', 'header', 'event']);
});

test('a line that a crash left half is cut off', async () => {
  const path = join(folder, 'torn.jsonl');
  await record(path);
  await appendFile(path, '{"type":"sam');
  await record(path);
  assert.deepEqual(await typesIn(path), ['header', 'event', 'header', 'event']);
});

test('a file that is something else is left alone', async () => {
  const path = join(folder, 'letter.txt');
  for (const text of ['dear all\n', '{"type":"header"}\n', 'no end of line']) {
    await writeFile(path, text);
    await assert.rejects(
      RecordingFile.open(path, header),
      (error) => hasCode(error, 'invalid') && /letter.txt is there already/.test(error.message),
    );
    assert.equal(await readFile(path, 'utf8'), text);
  }
  await assert.rejects(RecordingFile.open(join(folder, 'none', 'x'), header), (error) => hasCode(error, 'invalid'));
  await assert.rejects(RecordingFile.open(folder, header), (error) => hasCode(error, 'invalid'));
});

test('samples of very many VMs are spread over lines, each with the counts', () => {
  const usage = Array.from({ length: 1_000 }, (_, i) => exampleUsage(`vm-${i}`, new Array(60).fill(0.123456)));
  const lines = sampleLines({ pools: [examplePool()], usage, queued: 2 }, 5);
  assert.equal(lines.flatMap((one) => one.vms).length, 1_000);
  for (const one of lines) {
    assert.ok(JSON.stringify(one).length < maxLineBytes);
    assert.deepEqual(one.counts, examplePool().counts);
  }
  assert.equal(recordingLineSchema.parse(lines[0]).type, 'sample');
  assert.equal(sampleLines({ pools: [examplePool('empty')], usage, queued: 0 }, 5).length, 1);
});

test('decisions have lines of their own, whether from an event or as they hold at the start', () => {
  const data = { ...exampleDecision(), paused: true };
  const fromEvent = eventLine(exampleEvent(3, { name: 'pool.decision', vm: null, data }));
  assert.deepEqual(fromEvent, { type: 'decision', ...data });
  assert.equal(eventLine(exampleEvent(4)).type, 'event');
  assert.equal(eventLine(exampleEvent(5, { name: 'pool.decision', data: {} })).type, 'event');
  const pools = [examplePool(), examplePool('by-hand', { decision: null })];
  assert.equal(firstDecisionLines({ pools, usage: [], queued: 0 }).length, 1);
});
