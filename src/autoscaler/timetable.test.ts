import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cron } from 'croner';
import { Timetable } from './timetable.ts';

/** Changes of a timetable over some hours, as `time=on` or `time=off`. */
function changes(start: string, end: string, timezone: string, from: string, hours: number): string {
  const table = new Timetable({ start, end, timezone });
  const seen: string[] = [];
  let last: boolean | undefined;
  for (let atMs = Date.parse(from); atMs < Date.parse(from) + hours * 3_600_000; atMs += 900_000) {
    const isOn = table.isOn(atMs);
    if (last !== undefined && isOn !== last)
      seen.push(`${new Date(atMs).toISOString().slice(5, 16)}=${isOn ? 'on' : 'off'}`);
    last = isOn;
  }
  return seen.join(' ');
}

test('a start that fires several times is on from the first', () => {
  assert.equal(
    changes('0 8-17 * * *', '0 18 * * *', 'UTC', '2026-11-27T00:00:00Z', 24),
    '11-27T08:00=on 11-27T18:00=off',
  );
});

test('it is on until the next end, over a weekend too', () => {
  assert.equal(
    changes('0 22 * * 1-5', '0 6 * * 1-5', 'UTC', '2026-11-27T00:00:00Z', 96),
    '11-27T06:00=off 11-27T22:00=on 11-30T06:00=off 11-30T22:00=on',
  );
  assert.equal(
    changes('0 22 * * 1-5', '0 6 * * *', 'UTC', '2026-11-27T00:00:00Z', 72),
    '11-27T06:00=off 11-27T22:00=on 11-28T06:00=off',
  );
});

test('a firing in the hour that summer time skips comes when that hour would end', () => {
  const paris = (start: string, end: string) => changes(start, end, 'Europe/Paris', '2026-03-28T12:00:00Z', 24);
  assert.equal(paris('30 2 * * *', '0 4 * * *'), '03-29T01:00=on 03-29T02:00=off');
  assert.equal(paris('0 1 * * *', '30 2 * * *'), '03-29T00:00=on 03-29T01:00=off');
  assert.equal(paris('15 2 * * *', '45 2 * * *'), '', 'a window within it does not happen on that day');
});

test('a firing in the hour that winter time repeats comes once', () => {
  const paris = (start: string, end: string) => changes(start, end, 'Europe/Paris', '2026-10-24T12:00:00Z', 24);
  assert.equal(paris('30 2 * * *', '0 4 * * *'), '10-25T00:30=on 10-25T03:00=off');
  assert.equal(paris('0 1 * * *', '30 2 * * *'), '10-24T23:00=on 10-25T00:30=off');
  assert.equal(paris('15 2 * * *', '45 2 * * *'), '10-25T00:15=on 10-25T00:45=off');
});

test('a day of steps a second apart evaluates the expressions a few times', () => {
  let [made, asked] = [0, 0];
  const table = new Timetable(
    { start: '0 8 * * 1-5', end: '0 18 * * 1-5', timezone: 'Europe/Paris' },
    (pattern, timezone) => {
      made += 1;
      const cron = new Cron(pattern, { timezone, paused: true });
      return {
        nextRun: (after) => {
          asked += 1;
          return cron.nextRun(after);
        },
        previousRuns: (count, before) => {
          asked += 1;
          return cron.previousRuns(count, before);
        },
      };
    },
  );
  const fromMs = Date.parse('2026-11-27T00:00:00Z');
  for (let second = 0; second < 86_400; second += 1) {
    table.isOn(fromMs + second * 1_000);
    table.isOn(fromMs + second * 1_000 + 30_000);
  }
  assert.equal(made, 2);
  assert.ok(asked <= 12, `asked ${asked} times`);
});

test('what is likely a mistake is said', () => {
  const doubts = (start: string, end: string) =>
    new Timetable({ start, end, timezone: 'Europe/Paris' }).doubts(Date.parse('2026-10-20T00:00:00Z'));
  assert.deepEqual(doubts('0 8 * * 1-5', '0 18 * * 1-5'), []);
  assert.deepEqual(doubts('0 8 * * *', '0 8 * * *'), ['each start comes at the moment of an end, so it is never on']);
  assert.deepEqual(doubts('0 22 * * 1-5', '0 6 * * 1-5'), ['it is on for up to 57 hours without a break']);
  assert.deepEqual(doubts('0 8-17 * * *', '0 18 * * *'), [
    'its start fires again before its end, which changes nothing',
  ]);
  assert.equal(doubts('0 8 * * *', '0 18 * * 5').length, 2);
});
