import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { systemClock } from '../../src/clock/system-clock.ts';
import { hasCode } from '../../src/domain/errors.ts';
import type { MachineEvent } from '../../src/domain/hypervisor.ts';
import { connectLibvirtHypervisor } from '../../src/libvirt/hypervisor.ts';
import { sessionSockets, systemSockets } from '../../src/libvirt/socket-paths.ts';
import { machineFolder, quietLog, testUri, tinySpec, virsh } from '../support/libvirt-harness.ts';
import { until } from '../support/poll.ts';

/** A way to the real daemon that can be cut. */
class Cuttable {
  readonly path: string;
  readonly #target: string;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;

  constructor(path: string, target: string) {
    this.path = path;
    this.#target = target;
  }

  open(): Promise<void> {
    this.#server = createServer((near) => {
      const far = connect(this.#target);
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(from);
        from.on('error', () => to.destroy());
        from.on('close', () => to.destroy());
        from.pipe(to);
      }
    });
    return new Promise((resolve) => this.#server?.listen(this.path, resolve));
  }

  async cut(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
    await new Promise((resolve) => this.#server?.close(resolve));
  }
}

const name = `reconnect-${process.pid}`;
let folder: string;
let machineDir: string;
let way: Cuttable;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tidepool-way-'));
  machineDir = await machineFolder();
  // A session's daemon is started by the first who asks.
  await virsh('uri');
  const target = [...systemSockets('qemu'), ...sessionSockets('qemu', process.env)]
    .filter((path) => path.includes('/run/libvirt/') === testUri.endsWith('system'))
    .find((path) => existsSync(path));
  assert.ok(target, 'no socket of the daemon was found');
  way = new Cuttable(join(folder, 'sock'), target);
});
after(async () => {
  await way.cut();
  await rm(folder, { recursive: true });
  await rm(machineDir, { recursive: true });
});

test('the connection to a real daemon is cut: callers wake, it comes back, and what was missed is told', async () => {
  await way.open();
  const hypervisor = await connectLibvirtHypervisor({
    uri: `${testUri}?socket=${way.path}`,
    machineDir,
    installationId: name,
    clock: systemClock,
    env: process.env,
    log: quietLog,
  });
  try {
    const created = await hypervisor.create({ ...(await tinySpec()), name });
    const console = await hypervisor.openConsole(name);
    const consoleLost = new Promise((resolve) => console.once('error', resolve));
    console.resume();
    const events: MachineEvent[] = [];
    const told = new Promise<void>((resolve) => {
      hypervisor.onEvent((event) => {
        // That of its creation may come a moment later.
        if (event.kind !== 'started') events.push(event);
        if (event.kind === 'suspended') resolve();
      });
    });
    // A call that takes a while is under way.
    const destroyed = hypervisor.probe({ ...(await tinySpec()).boot, accelerator: 'tcg', timeoutMs: 120_000 });
    destroyed.catch(() => undefined);
    await virsh('domstate', name);

    await way.cut();
    await assert.rejects(destroyed, (error) => hasCode(error, 'unavailable'));
    await assert.rejects(hypervisor.list(), (error) => hasCode(error, 'unavailable'));
    assert.ok(hasCode(await consoleLost, 'unavailable'));

    await virsh('suspend', name);
    await way.open();
    await told;
    assert.deepEqual(events, [{ name, kind: 'suspended', detail: 'found paused' }]);
    // Each connection comes back by itself, that of the events perhaps before the others.
    const found = await until(
      () => hypervisor.get(name).catch(() => undefined),
      (machine) => machine !== undefined,
      20_000,
    );
    assert.deepEqual(found, { ...created, state: 'paused', pauseReason: 'asked' });
    await until(
      () => hypervisor.destroy('no-such-machine').catch((error: unknown) => error),
      (error) => hasCode(error, 'not_found'),
      20_000,
    );
    await hypervisor.resume(name);
    await hypervisor.remove(name);
    assert.deepEqual(await hypervisor.list(), []);
  } finally {
    await hypervisor.close();
  }
});
