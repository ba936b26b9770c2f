import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../fake/clock.ts';
import { Overdue } from './overdue.ts';
import { Restarts } from './restarts.ts';
import { sampleServer, sampleService } from './service.fake.ts';

test('the first restart is at once, those that follow soon after each other wait longer and longer', async () => {
  const clock = new FakeClock();
  const restarts = new Restarts(clock);
  assert.ok(restarts.mayTry());
  const pauses: number[] = [];
  for (let i = 0; i < 8; i += 1) {
    restarts.noteTry();
    let pauseMs = 0;
    for (; !restarts.mayTry(); pauseMs += 50) await clock.advance(50);
    pauses.push(pauseMs);
  }
  for (const [index, plainMs] of [250, 500, 1_000, 2_000, 4_000, 5_000, 5_000, 5_000].entries()) {
    const pauseMs = pauses[index] ?? 0;
    assert.ok(pauseMs >= 0.8 * plainMs && pauseMs <= 1.2 * plainMs + 50, `${pauseMs} ms where ${plainMs} ms is plain`);
  }
  await clock.advance(10_000);
  restarts.noteTry();
  await clock.advance(300);
  assert.ok(restarts.mayTry(), 'one that lived long ends the series');
});

test('a clock that is set back stops no restart, and one set forward makes no server overdue', async () => {
  const clock = new FakeClock();
  const restarts = new Restarts(clock);
  restarts.noteTry();
  clock.jump(-3_600_000);
  await clock.advance(300);
  assert.ok(restarts.mayTry());
  const overdue = new Overdue(clock);
  const known = { service: 'web', id: 'a:127.0.0.1:9001', isDraining: false, isInMaintenance: false };
  const service = sampleService({ name: 'web', requestTimeoutMs: 1_000, servers: [] });
  overdue.judge([service], [known], []);
  clock.jump(3_600_000);
  assert.equal(overdue.judge([service], [known], [])[0]?.isOverdue, false);
});

test('a server that is not wanted is overdue after what one request may take, counted from the first look', async () => {
  const clock = new FakeClock();
  const overdue = new Overdue(clock);
  const known = { service: 'web', id: 'a:127.0.0.1:9001', isDraining: false, isInMaintenance: false };
  const service = sampleService({ name: 'web', requestTimeoutMs: 1_000, servers: [] });
  const judge = (servers = service.servers): boolean | undefined =>
    overdue.judge([{ ...service, servers }], [known], [])[0]?.isOverdue;
  assert.equal(judge(), false);
  await clock.advance(999);
  assert.equal(judge(), false);
  await clock.advance(1);
  assert.equal(judge(), true);
  assert.equal(judge([sampleServer()]), false, 'it is wanted again');
  assert.equal(judge(), false);
});
