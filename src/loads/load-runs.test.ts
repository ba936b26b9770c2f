import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { steadyClock } from '../clock/steady-clock.ts';
import { hasCode } from '../domain/errors.ts';
import { FakeClock } from '../fake/clock.ts';
import { LoadRuns, type LoadTarget } from './load-runs.ts';

const wish = { everyMs: 10, forMs: 60_000, path: '/5', payload: undefined };
const nowhere = (service: string, protocol: LoadTarget['protocol'] = 'http'): LoadTarget => ({
  ...{ service, protocol },
  servers: () => [],
});

test('requests go to the service as told, and are counted by who answered', async (context) => {
  const { asked, target } = await serviceHere(context);
  const runs = new LoadRuns({ clock: steadyClock, mostAtATime: 1 });
  context.after(() => runs.close());
  assert.equal(runs.view('fib'), null);
  assert.equal(runs.start(target, wish).state, 'running');
  await asked(20);
  await runs.stop('fib');
  const view = runs.view('fib');
  assert.ok(view !== null && view.state === 'ended');
  assert.ok(view.total.ended >= 19 && view.total.failed === 0, JSON.stringify(view));
  assert.deepEqual(
    view.total.vms.map(({ name }) => name),
    ['fib-0000'],
  );
  assert.ok((view.total.p50Ms ?? 0) > 0 && view.endsAtMs <= steadyClock.now());
});

test('it ends by itself', async () => {
  const clock = new FakeClock();
  const runs = new LoadRuns({ clock, mostAtATime: 1 });
  const { startedAtMs } = runs.start(nowhere('a'), { ...wish, everyMs: 1_000, forMs: 5_000 });
  await clock.advance(4_900);
  assert.equal(runs.view('a')?.state, 'running');
  await clock.advance(200);
  assert.equal(runs.view('a')?.state, 'ended');
  assert.equal(runs.view('a')?.endsAtMs, startedAtMs + 5_000);
});

test('there are so many at a time, one for a service', async (context) => {
  const clock = new FakeClock();
  const runs = new LoadRuns({ clock, mostAtATime: 1 });
  context.after(() => clock.advance(5_000));
  runs.start(nowhere('a'), wish);
  runs.start(nowhere('a'), { ...wish, everyMs: 500 });
  assert.equal(runs.view('a')?.everyMs, 500);
  assert.throws(
    () => runs.start(nowhere('b'), wish),
    (error) => hasCode(error, 'exhausted'),
  );
  const stopping = runs.stop('a');
  runs.start(nowhere('b'), wish);
  const closing = runs.close();
  await clock.advance(2_000);
  await Promise.all([stopping, closing]);
  assert.equal(runs.view('b')?.state, 'ended');
});

test('what cannot be sent is refused', () => {
  const runs = new LoadRuns({ clock: new FakeClock(), mostAtATime: 1 });
  const isInvalid = (error: unknown): boolean => hasCode(error, 'invalid');
  assert.throws(() => runs.start(nowhere('a'), { ...wish, payload: 'x' }), isInvalid);
  assert.throws(() => runs.start(nowhere('a'), { ...wish, path: 'no\r\nslash' }), isInvalid);
  assert.throws(() => runs.start(nowhere('a', 'udp'), { ...wish, payload: '0xzz' }), isInvalid);
  assert.equal(runs.view('a'), null);
});

/** An HTTP service on this machine that says it is fib-0000. */
async function serviceHere(context: TestContext) {
  let count = 0;
  let enough: { count: number; resolve: () => void } | undefined;
  const server = createServer((_request, response) => {
    count += 1;
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ server: 'fib-0000' }));
    if (enough !== undefined && count >= enough.count) enough.resolve();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const target: LoadTarget = {
    ...{ service: 'fib', protocol: 'http' },
    servers: () => [{ name: 'front door', host: '127.0.0.1', port }],
  };
  const asked = (wanted: number) => new Promise<void>((resolve) => (enough = { count: wanted, resolve }));
  return { target, asked };
}
