import assert from 'node:assert/strict';
import { on } from 'node:events';
import type { Duplex } from 'node:stream';
import { after, before, suite, test } from 'node:test';
import { type ErrorCode, hasCode } from '../../src/domain/errors.ts';
import type { Hypervisor, MachineEvent, MachineSpec, ProbeSpec } from '../../src/domain/hypervisor.ts';
import { isNameTaken } from '../../src/domain/hypervisor.ts';
import { hostRoomConformance } from './host-room.ts';

/** One host on which the suite runs, and the hands of somebody who does not go through Tidepool. */
export interface HypervisorHarness {
  /** A further connection to the same host. */
  connect(installationId: string): Promise<Hypervisor>;
  /** A machine that boots and answers each console line by `heard: LINE`. */
  readonly spec: Omit<MachineSpec, 'name'>;
  /** Boots a guest that powers itself off, or one that does not. */
  readonly poweroffProbe: ProbeSpec;
  readonly hangingProbe: ProbeSpec;
  readonly byHand: {
    /** Kills the machine's process. */
    kill(name: string): Promise<void>;
    destroy(name: string): Promise<void>;
    undefine(name: string): Promise<void>;
    /** A domain that is not Tidepool's. */
    defineStranger(name: string): Promise<void>;
    exists(name: string): Promise<boolean>;
  };
  /** What is left of the installation's machines outside the hypervisor's own lists: files and the like. */
  leftovers(): Promise<string[]>;
  dispose(): Promise<void>;
}

const waitLimitMs = 90_000;
const installation = 'conformance-a';

/** What every Hypervisor must do. */
export function hypervisorConformance(label: string, makeHarness: () => Promise<HypervisorHarness>): void {
  suite(`hypervisor conformance: ${label}`, () => {
    let harness: HypervisorHarness;
    let hypervisor: Hypervisor;
    let count = 0;
    /** Names differ from test to test, so that one that failed does not take others with it. */
    const nextSpec = (change: Partial<MachineSpec> = {}): MachineSpec => {
      count += 1;
      return { ...harness.spec, name: `conf-${process.pid}-${String(count).padStart(4, '0')}`, ...change };
    };
    const withMachine = async (use: (spec: MachineSpec) => Promise<void>, change?: Partial<MachineSpec>) => {
      const spec = nextSpec(change);
      await hypervisor.create(spec);
      try {
        await use(spec);
      } finally {
        await hypervisor.remove(spec.name);
      }
    };

    hostRoomConformance(() => ({ hypervisor, spec: nextSpec() }));

    test('the host tells its name, size and versions', async () => {
      const { name, cpus, memoryBytes, ...versions } = await hypervisor.hostInfo();
      assert.ok(name.length > 0 && cpus >= 1 && memoryBytes > 1024 ** 2);
      assert.match(versions.hypervisor, /^QEMU \d+\.\d+\.\d+$/);
      assert.match(versions.libvirt, /^\d+\.\d+\.\d+$/);
    });

    before(async () => {
      harness = await makeHarness();
      hypervisor = await harness.connect(installation);
    });
    after(async () => {
      for (const { name } of await hypervisor.list()) await hypervisor.remove(name);
      await hypervisor.close();
      await harness.dispose();
    });

    test('a created machine runs, and is read back as it was asked for', async () => {
      const spec = nextSpec({ ports: [port('agent', 9000), { name: 'extra', protocol: 'udp', guestPort: 21001 }] });
      const events = watch(hypervisor, spec.name);
      const created = await hypervisor.create(spec);
      assert.equal(created.name, spec.name);
      assert.equal(created.state, 'running');
      assert.deepEqual(created.tags, spec.tags);
      assert.deepEqual(created.flavor, { vcpus: spec.flavor.vcpus, memoryMiB: spec.flavor.memoryMiB });
      assert.deepEqual(
        created.endpoints.map(({ name, protocol, host }) => ({ name, protocol, host })),
        [
          { name: 'agent', protocol: 'tcp', host: '127.0.0.1' },
          { name: 'extra', protocol: 'udp', host: '127.0.0.1' },
        ],
      );
      assert.ok(created.endpoints.every((endpoint) => endpoint.port > 0));
      assert.deepEqual(await hypervisor.get(spec.name), created);
      assert.deepEqual(
        (await hypervisor.list()).filter(({ name }) => name === spec.name),
        [created],
      );
      await events.next('started');
      await hypervisor.remove(spec.name);
      await events.next('gone');
      events.stop();
      assert.equal(await hypervisor.get(spec.name), undefined);
      assert.deepEqual(await harness.leftovers(), []);
    });

    test('ports of the service device are reached as the others are, and only the user network has it', async () => {
      const service = { name: 'service-0', protocol: 'udp' as const, guestPort: 8000, device: 'service' as const };
      const spec = nextSpec({ ports: [port('agent', 9000), service] });
      const created = await hypervisor.create(spec);
      assert.deepEqual(
        created.endpoints.map(({ name, protocol, host }) => [name, protocol, host]),
        [
          ['agent', 'tcp', '127.0.0.1'],
          ['service-0', 'udp', '127.0.0.1'],
        ],
      );
      assert.ok(created.endpoints.every((endpoint) => endpoint.port > 0));
      assert.deepEqual(await hypervisor.get(spec.name), created);
      await hypervisor.remove(spec.name);
      for (const kind of ['network', 'bridge'] as const) {
        await rejects(hypervisor.create({ ...spec, network: { kind, name: 'some' } }), 'invalid');
      }
      const mixed = [service, { ...service, name: 'service-1', protocol: 'tcp' as const }];
      await rejects(hypervisor.create({ ...spec, ports: mixed }), 'invalid');
    });

    test('an unknown name: get finds nothing, remove is content, the rest is not_found', async () => {
      assert.equal(await hypervisor.get('no-such-machine'), undefined);
      await hypervisor.remove('no-such-machine');
      for (const action of ['suspend', 'resume', 'shutdown', 'destroy', 'openConsole'] as const) {
        await rejects(hypervisor[action]('no-such-machine'), 'not_found');
      }
    });

    test('a name is taken once, also by a create that is not done', async () => {
      const spec = nextSpec();
      const results = await Promise.allSettled([hypervisor.create(spec), hypervisor.create(spec)]);
      assert.deepEqual(results.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
      for (const result of results) if (result.status === 'rejected') assert.ok(hasCode(result.reason, 'conflict'));
      await assert.rejects(hypervisor.create(spec), isNameTaken);
      assert.equal((await hypervisor.get(spec.name))?.state, 'running');
      await hypervisor.remove(spec.name);
    });

    test('a create that fails says invalid and leaves nothing, and its name is free', async () => {
      const spec = nextSpec();
      const missing = '/nonexistent/kernel';
      await rejects(hypervisor.create({ ...spec, boot: { ...spec.boot, kernelPath: missing } }), 'invalid');
      await rejects(hypervisor.create({ ...spec, imagePath: missing }), 'invalid');
      await rejects(hypervisor.create({ ...spec, sharedDisks: [{ path: missing, serial: 'rt-x' }] }), 'invalid');
      assert.equal(await hypervisor.get(spec.name), undefined);
      assert.equal(await harness.byHand.exists(spec.name), false);
      assert.deepEqual(await harness.leftovers(), []);
      await hypervisor.create(spec);
      await hypervisor.remove(spec.name);
    });

    test('specs that can never work are invalid', async () => {
      const twins = [port('agent', 1), port('agent', 2)];
      for (const change of [
        { name: '' },
        { name: '../x' },
        { name: `a${'b'.repeat(40)}` },
        { ports: twins },
        { sharedDisks: [{ path: harness.spec.imagePath, serial: 'x'.repeat(21) }] },
        { secrets: { '../key': new Uint8Array(1) } },
        { secrets: { key: new Uint8Array(64 * 1024 + 1) } },
      ]) {
        await rejects(hypervisor.create(nextSpec(change)), 'invalid');
      }
      assert.deepEqual(await harness.leftovers(), []);
    });

    test('suspend and resume', () =>
      withMachine(async ({ name }) => {
        const events = watch(hypervisor, name);
        await rejects(hypervisor.resume(name), 'conflict');
        await hypervisor.suspend(name);
        await events.next('suspended');
        assert.equal((await hypervisor.get(name))?.state, 'paused');
        await rejects(hypervisor.suspend(name), 'conflict');
        await hypervisor.resume(name);
        await events.next('resumed');
        assert.equal((await hypervisor.get(name))?.state, 'running');
        events.stop();
      }));

    test('destroy, twice; then nothing can be asked of the machine but its removal', () =>
      withMachine(async ({ name }) => {
        const events = watch(hypervisor, name);
        await hypervisor.destroy(name);
        assert.equal((await events.next('stopped')).detail, 'destroyed');
        assert.equal((await hypervisor.get(name))?.state, 'off');
        await hypervisor.destroy(name);
        for (const action of ['suspend', 'resume', 'shutdown', 'openConsole'] as const) {
          await rejects(hypervisor[action](name), 'conflict');
        }
        await hypervisor.remove(name);
        await events.next('gone');
        await hypervisor.remove(name);
        events.stop();
      }));

    test('shutdown returns before the guest is off', () =>
      withMachine(async ({ name }) => {
        await hypervisor.shutdown(name);
        assert.ok(await hypervisor.get(name));
      }));

    test('a machine whose process is killed is crashed, and can be removed', () =>
      withMachine(async ({ name }) => {
        const events = watch(hypervisor, name);
        await harness.byHand.kill(name);
        await events.next('crashed');
        assert.equal((await hypervisor.get(name))?.state, 'crashed');
        await hypervisor.destroy(name);
        await hypervisor.remove(name);
        events.stop();
        assert.equal(await hypervisor.get(name), undefined);
      }));

    test('a machine that somebody stops and undefines by hand is stopped, then gone', () =>
      withMachine(async ({ name }) => {
        const events = watch(hypervisor, name);
        await harness.byHand.destroy(name);
        await events.next('stopped');
        assert.equal((await hypervisor.get(name))?.state, 'off');
        await harness.byHand.undefine(name);
        await events.next('gone');
        assert.equal(await hypervisor.get(name), undefined);
        events.stop();
        await hypervisor.remove(name);
        assert.deepEqual(await harness.leftovers(), []);
      }));

    test('the machines of another installation are neither seen nor touched', () =>
      withMachine(async (spec) => {
        const other = await harness.connect('conformance-b');
        try {
          const heard: MachineEvent[] = [];
          other.onEvent((event) => heard.push(event));
          assert.deepEqual(await other.list(), []);
          assert.deepEqual(await other.stats(), []);
          assert.equal(await other.get(spec.name), undefined);
          await rejects(other.destroy(spec.name), 'not_found');
          await other.remove(spec.name);
          await assert.rejects(other.create(spec), isNameTaken);
          const events = watch(hypervisor, spec.name);
          await hypervisor.suspend(spec.name);
          await events.next('suspended');
          events.stop();
          assert.deepEqual(heard, []);
          assert.equal((await hypervisor.get(spec.name))?.state, 'paused');
        } finally {
          await other.close();
        }
      }));

    test('a stranger is neither listed nor removed, and its name is taken', async () => {
      const spec = nextSpec();
      await harness.byHand.defineStranger(spec.name);
      assert.equal(await hypervisor.get(spec.name), undefined);
      assert.ok((await hypervisor.list()).every(({ name }) => name !== spec.name));
      await assert.rejects(hypervisor.create(spec), isNameTaken);
      await hypervisor.remove(spec.name);
      assert.equal(await harness.byHand.exists(spec.name), true);
      await harness.byHand.undefine(spec.name);
    });

    test('another connection of the same installation finds the machine as it is and hears of it', () =>
      withMachine(async ({ name }) => {
        const again = await harness.connect(installation);
        try {
          assert.deepEqual(await again.get(name), await hypervisor.get(name));
          const events = watch(again, name);
          await hypervisor.suspend(name);
          await events.next('suspended');
          await again.destroy(name);
          await events.next('stopped');
          events.stop();
        } finally {
          await again.close();
        }
      }));

    test('statistics: only our machines, and counters that do not fall', () =>
      withMachine(async (spec) => {
        const own = async () => (await hypervisor.stats()).find(({ name }) => name === spec.name);
        const first = await own();
        const second = await own();
        assert.ok(first && second);
        assert.equal(first.state, 'running');
        assert.equal(first.vcpus, spec.flavor.vcpus);
        assert.ok(first.cpuTimeNs !== null && second.cpuTimeNs !== null && second.cpuTimeNs >= first.cpuTimeNs);
        await hypervisor.destroy(spec.name);
        assert.equal((await own())?.state, 'off');
      }));

    test('the console goes both ways, and again after it was closed', () =>
      withMachine(async ({ name }) => {
        for (const word of ['hello', 'again']) {
          const console = await hypervisor.openConsole(name);
          await say(console, word);
          console.destroy();
        }
      }));

    test('machines created at once get ports of their own', async () => {
      const specs = [nextSpec(), nextSpec(), nextSpec()];
      const machines = await Promise.all(specs.map((spec) => hypervisor.create(spec)));
      const ports = machines.flatMap(({ endpoints }) => endpoints.map((endpoint) => endpoint.port));
      assert.equal(ports.length, 3);
      assert.equal(new Set(ports).size, 3);
      await Promise.all(specs.map(({ name }) => hypervisor.remove(name)));
      assert.deepEqual(await harness.leftovers(), []);
    });

    test('a probe tells whether its guest powered itself off, and leaves nothing', async () => {
      const before = await hypervisor.list();
      const good = await hypervisor.probe(harness.poweroffProbe);
      assert.equal(good.booted, true, good.reason);
      assert.equal(good.reason, '');
      assert.ok(good.elapsedMs < harness.poweroffProbe.timeoutMs);
      const bad = await hypervisor.probe(harness.hangingProbe);
      assert.equal(bad.booted, false);
      assert.notEqual(bad.reason, '');
      // A timer counts from the begin of its turn of the event loop, so it may be some milliseconds early by the clock.
      assert.ok(bad.elapsedMs >= harness.hangingProbe.timeoutMs - 10, `${bad.elapsedMs} ms`);
      assert.deepEqual(await hypervisor.list(), before);
    });

    test('a listener that was taken off hears nothing more', () =>
      withMachine(async ({ name }) => {
        const heard: MachineEvent[] = [];
        const stop = hypervisor.onEvent((event) => heard.push(event));
        stop();
        const events = watch(hypervisor, name);
        await hypervisor.suspend(name);
        await events.next('suspended');
        events.stop();
        assert.deepEqual(heard, []);
      }));

    test('a closed connection is unavailable', async () => {
      const other = await harness.connect(installation);
      await other.close();
      await rejects(other.list(), 'unavailable');
      await rejects(other.create(nextSpec()), 'unavailable');
    });
  });
}

function port(name: string, guestPort: number) {
  return { name, protocol: 'tcp' as const, guestPort };
}

function rejects(promise: Promise<unknown>, code: ErrorCode): Promise<void> {
  return assert.rejects(promise, (error) => {
    assert.ok(hasCode(error, code), `${String(error)} is not ${code}`);
    return true;
  });
}

/** The events of one machine from now on, in their order. */
function watch(hypervisor: Hypervisor, name: string) {
  const events: MachineEvent[] = [];
  let wake = (): void => undefined;
  const stop = hypervisor.onEvent((event) => {
    if (event.name === name) events.push(event);
    wake();
  });
  const next = async (kind: MachineEvent['kind']): Promise<MachineEvent> => {
    const limit = AbortSignal.timeout(waitLimitMs);
    for (;;) {
      const found = events.shift();
      if (found?.kind === kind) return found;
      if (found !== undefined) continue;
      await new Promise<void>((resolve, reject) => {
        wake = resolve;
        limit.addEventListener('abort', () => reject(new Error(`no event '${kind}' of ${name}`)), { once: true });
      });
    }
  };
  return { next, stop };
}

/** Says a word until the guest answers it: a guest that is not up yet hears nothing. */
async function say(console: Duplex, word: string): Promise<void> {
  let heard = '';
  const limit = AbortSignal.timeout(waitLimitMs);
  const repeat = setInterval(() => console.write(`${word}\n`), 500);
  console.write(`${word}\n`);
  try {
    for await (const [chunk] of on(console, 'data', { signal: limit })) {
      heard += String(chunk);
      if (heard.includes(`heard: ${word}`)) return;
    }
  } finally {
    clearInterval(repeat);
  }
}
