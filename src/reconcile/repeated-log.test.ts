import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../fake/clock.ts';
import { RepeatedLog } from './repeated-log.ts';

function testLog() {
  const clock = new FakeClock();
  const lines: string[] = [];
  return { clock, lines, log: new RepeatedLog(clock, (line) => lines.push(line)) };
}

test('a message that repeats is printed once a minute, with the number of its repetitions', async () => {
  const { clock, lines, log } = testLog();
  for (let i = 0; i < 600; i += 1) {
    log.log('job loop: database or disk is full');
    await clock.advance(100);
  }
  assert.deepEqual(lines, [
    'job loop: database or disk is full',
    'job loop: database or disk is full (599 times more within 60 s)',
  ]);
  log.log('job loop: database or disk is full');
  await clock.advance(120_000);
  assert.equal(lines[2], 'job loop: database or disk is full (once more within 60 s)');
  log.log('job loop: database or disk is full');
  assert.equal(lines[3], 'job loop: database or disk is full', 'after a minute without it, it is news again');
});

test('different messages are all printed, and the counts of a bounded number of them are kept', () => {
  const { lines, log } = testLog();
  for (let i = 0; i < 3_000; i += 1) log.log(`message ${i}`);
  assert.equal(lines.length, 3_000);
  log.log('message 2999');
  assert.equal(lines.length, 3_000, 'a new one is still counted');
  log.log('message 0');
  assert.equal(lines.length, 3_001, 'the oldest is forgotten');
  log.flush();
  assert.equal(lines.at(-1), 'message 2999 (once more within 60 s)');
});
