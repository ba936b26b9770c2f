import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { systemClock } from '../../src/clock/system-clock.ts';
import type { Hypervisor, MachineSpec } from '../../src/domain/hypervisor.ts';
import { connectLibvirtHypervisor } from '../../src/libvirt/hypervisor.ts';
import { machineFolder, qemuPid, testUri, tinySpec } from '../support/libvirt-harness.ts';
import { Stopwatch } from '../support/stopwatch.ts';

const name = `backlog-${process.pid}`;
const log: string[] = [];
let hypervisor: Hypervisor;
let machineDir: string;

before(async () => {
  machineDir = await machineFolder();
  const options = { uri: testUri, clock: systemClock, env: process.env, machineDir, installationId: randomUUID() };
  hypervisor = await connectLibvirtHypervisor({ ...options, log: (line) => log.push(line) });
});
after(async () => {
  await hypervisor.remove(name);
  await hypervisor.close();
  await rm(machineDir, { recursive: true });
});

test('connections that come together to the ports of a VM wait there, also while it is too busy to take any', async () => {
  const service = { name: 'service', protocol: 'tcp', guestPort: 8000, device: 'service' } as const;
  const { ports, ...rest } = await tinySpec();
  const spec: MachineSpec = { ...rest, name, ports: [...ports, service] };
  const machine = await hypervisor.create(spec);
  assert.deepEqual(log, []);
  const pid = await qemuPid(name);
  process.kill(pid, 'SIGSTOP');
  try {
    for (const { host, port } of machine.endpoints) {
      using waited = new Stopwatch();
      const sockets = Array.from({ length: 40 }, () => connect({ host, port }));
      await Promise.all(sockets.map((socket) => once(socket, 'connect')));
      // What is dropped is sent again after a second.
      assert.ok(waited.elapsedMs < 900, `${port} took ${waited.elapsedMs} ms`);
      for (const socket of sockets) socket.destroy();
    }
  } finally {
    process.kill(pid, 'SIGCONT');
  }
});
