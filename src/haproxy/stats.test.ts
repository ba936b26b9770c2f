import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serverId, successor } from './config.ts';
import { sampleServer, sampleService } from './service.fake.ts';
import { type Counted, Stats } from './stats.ts';
import type { Row } from './tables.ts';

const service = sampleService({
  name: 'web',
  servers: [sampleServer(), sampleServer({ name: 'b', port: 9002, state: 'draining' })],
});
const [a, b] = service.servers.map(serverId);
const row = (kind: Row['kind'], fields: Partial<Row>): Row => ({
  ...{ proxy: 'web', kind, server: kind.toUpperCase(), inFlight: 0, requests: 0, failed: 0, errors: 0, meanMs: 0 },
  ...{ isUp: true, isDown: false, isChecked: true, steadySeconds: 9 },
  ...fields,
});
const server = (id: string | undefined, fields: Partial<Row> = {}): Row =>
  row('server', { server: id ?? '', ...fields });
const counted = (worker: number, rows: Record<number, Row[]>, ownErrors: Counted['ownErrors'] = () => 0): Counted => ({
  worker,
  rows: new Map(Object.entries(rows).map(([pid, its]) => [Number(pid), its])),
  ownErrors,
});
const one = (stats: Stats, now: Counted) => stats.update([service], now)[0] ?? assert.fail('no statistics');

test('one worker: who waits is with the service and on no server', () => {
  const rows = [
    row('backend', { inFlight: 5, requests: 9, failed: 1, meanMs: 40 }),
    server(a, { inFlight: 2, requests: 7, meanMs: 30 }),
  ];
  const { servers, ...rest } = one(
    new Stats(),
    counted(1, { 1: [...rows, server(b, { inFlight: 1, requests: 2 })] }, () => 2),
  );
  assert.deepEqual(rest, { service: 'web', waiting: 2, meanMs: 40, requests: 9, failed: 3 });
  assert.deepEqual(servers, [
    { name: 'a', isUp: true, inFlight: 2, requests: 7, meanMs: 30 },
    { name: 'b', isUp: true, inFlight: 1, requests: 2, meanMs: 0 },
  ]);
});

test('counts go on over reloads and ends of workers, and what was passed on counts once', () => {
  const stats = new Stats();
  one(stats, counted(1, { 1: [row('backend', { requests: 10, failed: 2, meanMs: 7 })] }));
  const old = [row('backend', { requests: 15, failed: 3 }), server(successor, { requests: 4, failed: 1 })];
  const both = one(stats, counted(2, { 1: old, 2: [row('backend', {})] }));
  assert.deepEqual([both.requests, both.failed, both.meanMs], [11, 2, 7]);
  const later = one(stats, counted(2, { 2: [row('backend', { requests: 5, meanMs: 9 })] }));
  assert.deepEqual([later.requests, later.failed, later.meanMs], [16, 2, 9]);
});

test('what a leaving worker has is in flight, and may still come to a server that drains', () => {
  const leaving = [row('backend', { inFlight: 4 }), server(a, { inFlight: 2 }), server(b, { inFlight: 1 })];
  const { servers, waiting } = one(
    new Stats(),
    counted(2, { 1: leaving, 2: [row('backend', { inFlight: 1 }), server(a, { inFlight: 1 })] }),
  );
  assert.deepEqual(
    servers.map(({ inFlight }) => inFlight),
    [3, 2],
  );
  assert.equal(waiting, 1);
});

test('a server is up once a check has found it so, and is believed over a reload', () => {
  const stats = new Stats();
  const isUp = (worker: number, fields: Partial<Row>): boolean | undefined =>
    one(stats, counted(worker, { [worker]: [server(a, fields)] })).servers[0]?.isUp;
  assert.equal(isUp(1, { isChecked: false }), false);
  assert.equal(isUp(1, {}), true);
  assert.equal(isUp(2, { isChecked: false }), true);
  assert.equal(isUp(2, { isUp: false, isDown: true, isChecked: false }), false);
  assert.equal(one(stats, counted(3, { 3: [] })).servers[0]?.isUp, false, 'of a server that HAProxy does not have');
});

test('a service that is not there any more is forgotten', () => {
  const stats = new Stats();
  one(stats, counted(1, { 1: [row('backend', { requests: 10, meanMs: 3 })] }));
  assert.deepEqual(stats.update([], counted(2, { 2: [] })), []);
  const again = one(stats, counted(2, { 2: [row('backend', {})] }));
  assert.deepEqual([again.requests, again.meanMs], [0, null]);
});
