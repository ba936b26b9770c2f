import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { systemClock } from '../../src/clock/system-clock.ts';
import type { Hypervisor } from '../../src/domain/hypervisor.ts';
import { connectLibvirtHypervisor } from '../../src/libvirt/hypervisor.ts';
import { machineFolder, qemuPid, quietLog, testUri, tinySpec } from '../support/libvirt-harness.ts';
import { until } from '../support/poll.ts';

/** What a server that was killed left undone is done by the next one. */
const limitMs = 20_000;
const together = 40;
const name = `restart-${process.pid}`;
const installationId = randomUUID();
let machineDir: string;

before(async () => {
  machineDir = await machineFolder();
});
after(() => rm(machineDir, { recursive: true }));

/** @param env without a PATH nothing can widen the backlog of a port: the server was killed before it did */
function open(env: Readonly<Record<string, string | undefined>>): Promise<Hypervisor> {
  const options = { uri: testUri, clock: systemClock, machineDir, installationId, log: quietLog };
  return connectLibvirtHypervisor({ ...options, env });
}

test('the ports of a VM that was just started get their backlog from the next server', async () => {
  const first = await open({ ...process.env, PATH: '/nonexistent' });
  await first.create({ ...(await tinySpec()), name });
  await first.close();
  const second = await open(process.env);
  const machine = (await second.get(name)) ?? assert.fail('the machine is gone');
  const pid = await qemuPid(name);
  process.kill(pid, 'SIGSTOP');
  try {
    const { host, port } = machine.endpoints[0] ?? assert.fail('no endpoint');
    const signal = AbortSignal.timeout(limitMs);
    const sockets = Array.from({ length: together }, () => connect({ host, port }));
    const tried = await Promise.allSettled(sockets.map((socket) => once(socket, 'connect', { signal })));
    for (const socket of sockets) socket.destroy();
    assert.equal(tried.filter(({ status }) => status === 'fulfilled').length, together);
  } finally {
    process.kill(pid, 'SIGCONT');
    await second.remove(name);
    await second.close();
  }
});

test('overlay and key of a machine whose removal was cut short are deleted; files of machines that are there stay', async () => {
  const first = await open(process.env);
  await first.create({ ...(await tinySpec()), name });
  const old = new Date(systemClock.now() - 3_600_000);
  const put = async (file: string): Promise<void> => {
    await writeFile(join(machineDir, file), '');
    await utimes(join(machineDir, file), old, old);
  };
  await put('gone-0001.qcow2');
  await mkdir(join(machineDir, 'gone-0001.secrets'));
  await put('gone-0001.secrets/agent-key');
  await utimes(join(machineDir, 'gone-0001.secrets'), old, old);
  await utimes(join(machineDir, `${name}.qcow2`), old, old);
  await first.close();
  const second = await open(process.env);
  try {
    const files = await until(
      () => readdir(machineDir),
      (now) => !now.some((file) => file.startsWith('gone-')),
      limitMs,
    );
    assert.ok(files.includes(`${name}.qcow2`), files.join());
  } finally {
    await second.remove(name);
    await second.close();
  }
});
