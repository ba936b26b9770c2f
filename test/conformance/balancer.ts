import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import type { BalancedServer, BalancedService, BalancedStats, Balancer } from '../../src/domain/balancer.ts';
import { hasCode } from '../../src/domain/errors.ts';
import { until } from '../support/poll.ts';
import { Stopwatch } from '../support/stopwatch.ts';

/** A front door, with servers behind it and clients in front. */
export interface BalancerHarness {
  /** A balancer on this front door, as each start of the control plane makes one. */
  open(): Promise<Balancer>;
  /** Starts a server that answers each request after the time that it asks for. */
  startServer(name: string): Promise<HarnessServer>;
  freePort(): Promise<number>;
  /** Another program listens there, until it is told to stop. */
  takePort(port: number): Promise<() => Promise<void>>;
  send(port: number, request?: HarnessRequest): Promise<HarnessAnswer>;
  /** The balancing process ends as by kill -9. */
  kill(): Promise<void>;
  dispose(): Promise<void>;
}

export interface HarnessServer {
  readonly serving: BalancedServer;
  readonly draining: BalancedServer;
  /** Ends it, and cuts what it works on. */
  kill(): Promise<void>;
  /** Starts it again at the same place. */
  revive(): Promise<void>;
}

export interface HarnessRequest {
  readonly method?: string;
  readonly workMs?: number;
  /** The server works on it until then, so that a test need not be quicker than its request. */
  readonly until?: Promise<void>;
  readonly bodyBytes?: number;
}

/** `server` is the address (`host:port`) that answered; '' when the front door did. */
export interface HarnessAnswer {
  readonly status: number;
  readonly server: string;
}

/** How long a request waits for a server: longer than a slow machine takes for what it waits for. */
export const waitMs = 30_000;
/** In the test that waits it out. */
const shortWaitMs = 500;
export const maxBodyBytes = 1_000;
const requestTimeoutMs = 30_000;
const shortTimeoutMs = 1_000;
const limitMs = 30_000;
/** One that is gone is started again at once; one that only is silent is waited for longer than this. */
const restartMs = 6_000;
/** How long servers work on what they have all got, in the test of mean times. */
const workMs = 200;

/**
 * What every Balancer must do.
 * @param makeHarness is given how long a request waits for a server
 */
export function balancerConformance(label: string, makeHarness: (waitMs: number) => Promise<BalancerHarness>): void {
  suite(`balancer conformance: ${label}`, () => {
    let harness: BalancerHarness;
    let balancer: Balancer;
    let used = 0;
    before(async () => {
      harness = await makeHarness(waitMs);
      balancer = await harness.open();
    });
    after(async () => {
      await balancer.stop();
      await harness.dispose();
    });

    const withService = async (
      servers: readonly BalancedServer[],
      use: (service: BalancedService, port: number) => Promise<void>,
      fields: Partial<BalancedService> = {},
    ): Promise<void> => {
      // A name of its own: what the balancer counts goes on over tests.
      used += 1;
      const service = httpService(`web-${used}`, await harness.freePort(), servers, fields);
      await balancer.apply([service]);
      try {
        await use(service, service.port);
      } finally {
        await balancer.apply([]);
      }
    };
    /** Of the service of this test. */
    const statsNow = async (): Promise<BalancedStats> => {
      const stats = (await balancer.stats()).find(({ service }) => service === `web-${used}`);
      return stats ?? assert.fail('no statistics of the service');
    };
    const serverOf = async (name: string): Promise<BalancedStats['servers'][number]> => {
      const server = (await statsNow()).servers.find((one) => one.name === name);
      return server ?? assert.fail(`no statistics of ${name}`);
    };
    const serverIs = (name: string, isSo: (server: BalancedStats['servers'][number]) => boolean) =>
      until(() => serverOf(name), isSo, limitMs);

    /** What a change replaced may take a connection that comes in the same moment. */
    const answersAt = async (port: number, { serving }: Pick<HarnessServer, 'serving'>): Promise<void> => {
      await until(
        () => harness.send(port),
        ({ server }) => server === place(serving),
        limitMs,
      );
    };

    test('nothing applied is nothing told', async () => {
      assert.deepEqual(await balancer.stats(), []);
      await balancer.apply([]);
      assert.deepEqual(await balancer.stats(), []);
    });

    test('requests go to all servers, to the one with the fewest first', async () => {
      const [a, b] = [await harness.startServer('a'), await harness.startServer('b')];
      await withService([a.serving, b.serving], async (_service, port) => {
        const startedAtMs = performance.now();
        const work = Promise.withResolvers<void>();
        const all = [1, 2, 3, 4].map(() => harness.send(port, { until: work.promise }));
        await until(statsNow, ({ servers }) => servers.every(({ inFlight }) => inFlight === 2), limitMs);
        setTimeout(work.resolve, workMs);
        const answers = await Promise.all(all);
        const tookMs = performance.now() - startedAtMs;
        assert.deepEqual(answers.map(({ server }) => server).sort(), twice(place(a.serving), place(b.serving)));
        const stats = await until(
          statsNow,
          ({ servers }) => servers.every(({ isUp, inFlight }) => isUp && inFlight === 0),
          limitMs,
        );
        assert.deepEqual([stats.requests, stats.failed, stats.waiting], [4, 0, 0]);
        assert.deepEqual(
          stats.servers.map(({ requests }) => requests),
          [2, 2],
        );
        assert.ok(stats.meanMs !== null && stats.meanMs >= workMs / 2 && stats.meanMs <= tookMs + 1, `${stats.meanMs}`);
      });
    });

    test('a server that drains finishes what it has, and gets nothing new; it can come back', async () => {
      const [a, b] = [await harness.startServer('a'), await harness.startServer('b')];
      await withService([a.serving], async (service, port) => {
        const work = Promise.withResolvers<void>();
        const slow = harness.send(port, { until: work.promise, method: 'POST' });
        await serverIs('a', ({ inFlight }) => inFlight === 1);
        const drained = { ...service, servers: [a.draining, b.serving] };
        await balancer.apply([drained]);
        for (let i = 0; i < 6; i += 1) assert.equal((await harness.send(port)).server, place(b.serving));
        assert.equal((await serverOf('a')).inFlight, 1);
        work.resolve();
        assert.deepEqual(await slow, { status: 200, server: place(a.serving) });
        await serverIs('a', ({ inFlight }) => inFlight === 0);

        await balancer.apply([{ ...service, servers: [a.serving, b.draining] }]);
        for (let i = 0; i < 3; i += 1) assert.equal((await harness.send(port)).server, place(a.serving));
      });
    });

    test('a server that is taken away finishes what it has, and can come back', async () => {
      const [a, b] = [await harness.startServer('a'), await harness.startServer('b')];
      await withService([a.serving, b.draining], async (service, port) => {
        const work = Promise.withResolvers<void>();
        const slow = harness.send(port, { until: work.promise, method: 'POST' });
        await serverIs('a', ({ inFlight }) => inFlight === 1);
        await balancer.apply([{ ...service, servers: [b.serving] }]);
        for (let i = 0; i < 6; i += 1) assert.equal((await harness.send(port)).server, place(b.serving));
        work.resolve();
        assert.deepEqual(await slow, { status: 200, server: place(a.serving) });
        await balancer.apply([{ ...service, servers: [a.serving] }]);
        for (let i = 0; i < 3; i += 1) assert.equal((await harness.send(port)).server, place(a.serving));
        const { failed } = await statsNow();
        assert.equal(failed, 0);
      });
    });

    test('a server of the same name elsewhere is another one', async () => {
      const [a, other] = [await harness.startServer('a'), await harness.startServer('a')];
      await withService([a.serving], async (service, port) => {
        assert.equal((await harness.send(port)).server, place(a.serving));
        await balancer.apply([{ ...service, servers: [other.serving] }]);
        for (let i = 0; i < 3; i += 1) assert.equal((await harness.send(port)).server, place(other.serving));
      });
    });

    test('no more than maxPerServer at a time; the others wait and are served', async () => {
      const a = await harness.startServer('a');
      await withService(
        [a.serving],
        async (_service, port) => {
          const work = Promise.withResolvers<void>();
          const all = [1, 2, 3].map(() => harness.send(port, { until: work.promise }));
          const stats = await until(statsNow, ({ waiting }) => waiting === 2, limitMs);
          assert.equal(stats.servers[0]?.inFlight, 1);
          work.resolve();
          assert.ok((await Promise.all(all)).every(({ status }) => status === 200));
        },
        { maxPerServer: 1 },
      );
    });

    test('a service without servers lets requests wait for the first', async () => {
      const a = await harness.startServer('a');
      await withService([], async (service, port) => {
        const early = harness.send(port);
        await until(statsNow, ({ waiting }) => waiting === 1, limitMs);
        await balancer.apply([{ ...service, servers: [a.serving] }]);
        assert.deepEqual(await early, { status: 200, server: place(a.serving) });
      });
    });

    test('a request that has waited too long for a server is answered 503', async () => {
      const impatient = await makeHarness(shortWaitMs);
      const other = await impatient.open();
      try {
        const a = await impatient.startServer('a');
        const service = httpService('web', await impatient.freePort(), [a.draining]);
        await other.apply([service]);
        assert.deepEqual(await impatient.send(service.port), { status: 503, server: '' });
        await until(
          () => other.stats(),
          ([stats]) => stats?.failed === 1,
          limitMs,
        );
      } finally {
        await other.stop();
        await impatient.dispose();
      }
    });

    test('a server that dies: idempotent requests are answered by another, others fail; new ones go elsewhere', async () => {
      const [a, b] = [await harness.startServer('a'), await harness.startServer('b')];
      await withService([a.serving], async (service, port) => {
        const methods = ['GET', 'POST', 'PUT', 'DELETE'];
        const work = Promise.withResolvers<void>();
        const all = methods.map((method) => harness.send(port, { method, until: work.promise }));
        await serverIs('a', ({ inFlight }) => inFlight === methods.length);
        await balancer.apply([{ ...service, servers: [a.serving, b.serving] }]);
        await a.kill();
        work.resolve();
        assert.deepEqual(
          (await Promise.all(all)).map(({ status, server }) => [status, server]),
          methods.map((method) => (method === 'POST' ? [502, ''] : [200, place(b.serving)])),
        );
        // Nothing listens there, so nothing can have been done twice.
        for (let i = 0; i < 4; i += 1)
          assert.deepEqual(await harness.send(port, { method: 'POST' }), { status: 200, server: place(b.serving) });
        await serverIs('a', ({ isUp }) => !isUp);
        await until(statsNow, ({ failed }) => failed === 1, limitMs);
        await a.revive();
        await serverIs('a', ({ isUp }) => isUp);
      });
    });

    test('a request that takes too long is given up with 504', async () => {
      const a = await harness.startServer('a');
      await withService(
        [a.serving],
        async (_service, port) => {
          const work = Promise.withResolvers<void>();
          assert.deepEqual(await harness.send(port, { until: work.promise }), { status: 504, server: '' });
          work.resolve();
          await until(statsNow, ({ failed }) => failed === 1, limitMs);
        },
        { requestTimeoutMs: shortTimeoutMs },
      );
    });

    test('a body over the limit is refused, one at the limit is not', async () => {
      const a = await harness.startServer('a');
      await withService([a.serving], async (_service, port) => {
        const over = await harness.send(port, { method: 'POST', bodyBytes: maxBodyBytes + 1 });
        assert.deepEqual(over, { status: 413, server: '' });
        const within = await harness.send(port, { method: 'POST', bodyBytes: maxBodyBytes });
        assert.equal(within.status, 200);
        assert.equal((await statsNow()).failed, 0, 'the front door did not fail');
      });
    });

    test('a port that another program has: conflict that names it, and nothing else is changed', async () => {
      const [a, b] = [await harness.startServer('a'), await harness.startServer('b')];
      const taken = await harness.freePort();
      const release = await harness.takePort(taken);
      await withService([a.serving], async (service, port) => {
        const rival = httpService('rival', taken, [b.serving]);
        await assert.rejects(balancer.apply([{ ...service, servers: [b.serving] }, rival]), (error) => {
          assert.ok(hasCode(error, 'conflict'));
          assert.equal(error.details.service, 'rival');
          assert.match(error.message, new RegExp(`${taken}`));
          return true;
        });
        for (let i = 0; i < 3; i += 1) assert.equal((await harness.send(port)).server, place(a.serving));
        const twin = httpService('twin', port, []);
        await assert.rejects(balancer.apply([service, twin]), (error) => hasCode(error, 'conflict'));
        await release();
        await balancer.apply([service, rival]);
        assert.equal((await harness.send(taken)).server, place(b.serving));
      });
    });

    test('ports may be swapped, and given to another service at once', async () => {
      const [a, b] = [await harness.startServer('a'), await harness.startServer('b')];
      const [first, second] = [await harness.freePort(), await harness.freePort()];
      await balancer.apply([httpService('one', first, [a.serving]), httpService('two', second, [b.serving])]);
      await balancer.apply([httpService('one', second, [a.serving]), httpService('two', first, [b.serving])]);
      await answersAt(second, a);
      await balancer.apply([httpService('three', second, [b.serving])]);
      await answersAt(second, b);
      await balancer.apply([]);
    });

    test('killed, it is soon there again with all that it had', async () => {
      const [a, b] = [await harness.startServer('a'), await harness.startServer('b')];
      await withService([a.draining, b.serving], async (_service, port) => {
        await harness.send(port);
        await harness.kill();
        using gone = new Stopwatch();
        await until(
          () => harness.send(port).catch(() => undefined),
          (answer) => answer?.status === 200,
          limitMs,
        );
        assert.ok(gone.elapsedMs < restartMs, `${gone.elapsedMs} ms`);
        for (let i = 0; i < 4; i += 1) assert.equal((await harness.send(port)).server, place(b.serving));
      });
    });

    test('let go of, it serves on, and the next start takes it up', async () => {
      const [a, b] = [await harness.startServer('a'), await harness.startServer('b')];
      await withService([a.serving], async (service, port) => {
        const work = Promise.withResolvers<void>();
        const slow = harness.send(port, { method: 'POST', until: work.promise });
        await serverIs('a', ({ inFlight }) => inFlight === 1);
        await balancer.close();
        assert.equal((await harness.send(port)).status, 200);
        balancer = await harness.open();
        await balancer.apply([{ ...service, servers: [b.serving] }]);
        for (let i = 0; i < 4; i += 1) assert.equal((await harness.send(port)).server, place(b.serving));
        work.resolve();
        assert.deepEqual(await slow, { status: 200, server: place(a.serving) });
      });
    });

    test('fifty services at once', async () => {
      const a = await harness.startServer('a');
      const services: BalancedService[] = [];
      for (let i = 0; i < 50; i += 1) services.push(httpService(`s-${i}`, await harness.freePort(), [a.serving]));
      await balancer.apply(services);
      const answers = await Promise.all(services.map(({ port }) => harness.send(port)));
      assert.ok(answers.every(({ status }) => status === 200));
      assert.deepEqual(
        (await balancer.stats()).map(({ service, requests }) => [service, requests]),
        services.map(({ name }) => [name, 1]),
      );
      await balancer.apply(services.slice(1));
      assert.equal((await balancer.stats()).length, 49);
      const given = services[0]?.port ?? 0;
      const isServed = (): Promise<boolean> =>
        harness.send(given).then(
          () => true,
          () => false,
        );
      await until(isServed, (is) => !is, limitMs);
      await balancer.apply([]);
    });
  });
}

/** A service as the tests have it. */
export function httpService(
  name: string,
  port: number,
  servers: readonly BalancedServer[],
  fields: Partial<BalancedService> = {},
): BalancedService {
  const limits = { healthPath: '/health', maxBodyBytes, requestTimeoutMs, maxPerServer: 8 };
  return { name, protocol: 'http', host: '127.0.0.1', port, ...limits, servers, ...fields };
}

/** Where a server is, as answers tell it. */
export function place({ host, port }: Pick<BalancedServer, 'host' | 'port'>): string {
  return `${host}:${port}`;
}

function twice(...places: string[]): string[] {
  return [...places, ...places].sort();
}
