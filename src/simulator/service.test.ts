import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { defaultP99 } from '../autoscaler/queueing.ts';
import { ResponseTimes } from './response-times.ts';
import { Service } from './service.ts';

test('CPU follows the load and stays at 100 % while the queue grows and goes', () => {
  const service = new Service(10, 60_000);
  assert.deepEqual(service.second(2, 5), { cpu: 0.25, waitMs: 0, dropped: 0 });
  assert.equal(service.second(2, 30).cpu, 1);
  assert.equal(service.waiting, 10);
  const later = service.second(2, 15);
  assert.deepEqual([later.cpu, later.waitMs, service.waiting], [1, 375, 5]);
  service.second(2, 5);
  assert.equal(service.waiting, 0);
});

test('what would wait longer than the patience is dropped', () => {
  const service = new Service(10, 2_000);
  assert.equal(service.second(1, 45).dropped, 15);
  assert.equal(service.waiting, 20);
  assert.deepEqual(new Service(10, 2_000).second(0, 5), { cpu: 0, waitMs: 2_000, dropped: 0 });
});

test('property: every request is served, waits or is dropped', () => {
  const second = fc.record({ vms: fc.nat(20), arrivals: fc.double({ min: 0, max: 500, noNaN: true }) });
  fc.assert(
    fc.property(fc.array(second), (seconds) => {
      const service = new Service(10, 5_000);
      let [came, left] = [0, 0];
      for (const { vms, arrivals } of seconds) {
        const { cpu, dropped, waitMs } = service.second(vms, arrivals);
        came += arrivals;
        left += cpu * vms * 10 + dropped;
        assert.ok(cpu >= 0 && cpu <= 1 && waitMs >= 0 && waitMs <= 5_000);
      }
      assert.ok(Math.abs(came - left - service.waiting) < 1e-6 * (1 + came));
    }),
  );
});

test('response times: the M/M/c queue without a standing queue, the wait and the service with one', () => {
  const near = (actual: number, expected: number) => assert.ok(Math.abs(actual / expected - 1) < 1e-3, `${actual}`);
  const steady = new ResponseTimes();
  assert.equal(steady.p99(), 0);
  steady.add(100, 1, 0.8, 0);
  near(steady.p99(), defaultP99);
  const queued = new ResponseTimes();
  queued.add(100, 4, 5, 30);
  near(queued.p99(), 30 + Math.log(100));
  const mixed = new ResponseTimes();
  mixed.add(9_500, 1, 0.1, 0);
  mixed.add(500, 1, 2, 1_000);
  near(mixed.p99(), 1_000 + Math.log(5));
});
