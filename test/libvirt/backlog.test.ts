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

const together = 40;
const limitMs = 20_000;
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
      const signal = AbortSignal.timeout(limitMs);
      const sockets = Array.from({ length: together }, () => connect({ host, port }));
      // One for which there is no room is dropped, however often its kernel tries again: nothing is taken meanwhile.
      const tried = await Promise.allSettled(sockets.map((socket) => once(socket, 'connect', { signal })));
      for (const socket of sockets) socket.destroy();
      const connected = tried.filter(({ status }) => status === 'fulfilled').length;
      assert.equal(connected, together, `of those to port ${port}`);
    }
  } finally {
    process.kill(pid, 'SIGCONT');
  }
});
