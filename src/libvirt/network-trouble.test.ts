import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { TidepoolError } from '../domain/errors.ts';
import type { MachineNetwork } from '../domain/hypervisor.ts';
import { libvirtCode } from './errors.ts';
import type { LibvirtLink } from './link.ts';
import { networkTrouble } from './network-trouble.ts';

/** A daemon that knows the network `lan`. */
function daemon(active: number): Pick<LibvirtLink, 'call'> {
  const call = async ({ name }: { name: string }, args: { name?: string }): Promise<unknown> => {
    if (name === 'NetworkIsActive') return { active };
    if (args.name === 'lan') return { network: { name: 'lan', uuid: new Uint8Array(16) } };
    throw new TidepoolError('not_found', 'no such network', { details: { libvirtCode: libvirtCode.noNetwork } });
  };
  return { call } as unknown as Pick<LibvirtLink, 'call'>;
}

test('a libvirt network that does not exist, or is not active, is named with what to do', async () => {
  const of = (network: MachineNetwork, active = 1) => networkTrouble(daemon(active), network, true);
  assert.equal(await of({ kind: 'user' }), undefined);
  assert.equal(await of({ kind: 'network', name: 'lan' }), undefined);
  assert.match((await of({ kind: 'network', name: 'lan' }, 0)) ?? '', /lan is not active: virsh net-start lan/);
  assert.match((await of({ kind: 'network', name: 'wan' })) ?? '', /wan does not exist/);
});

test('a bridge of this machine is looked for among its network interfaces', async () => {
  const net = await mkdtemp(join(tmpdir(), 'tidepool-net-'));
  const of = (name: string, isLocal = true) => networkTrouble(daemon(1), { kind: 'bridge', name }, isLocal, net);
  try {
    await mkdir(join(net, 'br0', 'bridge'), { recursive: true });
    await mkdir(join(net, 'eth0'));
    assert.equal(await of('br0'), undefined);
    assert.match((await of('br9')) ?? '', /br9 does not exist/);
    assert.match((await of('eth0')) ?? '', /eth0 is no bridge/);
    assert.equal(await of('br9', false), undefined, 'another machine has its own');
  } finally {
    await rm(net, { recursive: true });
  }
});
