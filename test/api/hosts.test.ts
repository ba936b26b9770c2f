import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { TidepoolError } from '../../src/domain/errors.ts';
import type { HostInfo } from '../../src/domain/hypervisor.ts';
import { type HostView, hostListSchema } from '../../src/protocol/hosts.ts';
import { openTestWeb } from '../accounts/server.ts';
import { openTestAccounts, sessionOf } from '../accounts/support.ts';

const info: HostInfo = { name: 'big', cpus: 4, memoryBytes: 8e9, hypervisor: 'QEMU 7.2.22', libvirt: '9.0.0' };
let ask = async (): Promise<HostInfo> => info;
const host = { uri: 'qemu+ssh://root@big.example/system', accelerator: 'kvm', info: () => ask() } as const;
const web = await openTestWeb(await openTestAccounts(), { host });
after(() => web[Symbol.asyncDispose]());
const cookie = `tidepool_session=${await sessionOf(web.accounts, 'admin')}`;

async function hosts(): Promise<HostView[]> {
  const response = await fetch(`${web.url}/api/v1/hosts`, { headers: { cookie } });
  return hostListSchema.parse(await response.json()).hosts;
}

test('a host is told with what VMs take of it, and also when it does not answer', async () => {
  const [up] = await hosts();
  assert.deepEqual([up?.name, up?.state, up?.cpus, up?.hypervisor], ['big', 'up', 4, 'QEMU 7.2.22']);
  assert.equal(up?.vms.count, 1);
  assert.ok(up.vms.vcpus >= 1 && up.vms.memoryBytes >= 1024 ** 3 / 2, JSON.stringify(up.vms));
  ask = () => Promise.reject(new TidepoolError('unavailable', 'libvirt does not answer'));
  const [down] = await hosts();
  assert.deepEqual([down?.name, down?.state, down?.reason], ['big.example', 'down', 'libvirt does not answer']);
  assert.deepEqual([down?.cpus, down?.vms.count], [null, 1]);
});
