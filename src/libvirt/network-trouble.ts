import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { MachineNetwork } from '../domain/hypervisor.ts';
import { absent } from '../files/durable.ts';
import { isLibvirtError, libvirtCode } from './errors.ts';
import type { LibvirtLink } from './link.ts';
import { procedures } from './procedures.ts';

/** The kernel's folders of network interfaces: one that is a bridge has a folder of this name in it. */
const interfaces = '/sys/class/net';

/**
 * Returns in words why no machine can be put on a network; undefined when nothing is known against it.
 * @param isLocal whether machines run here: a bridge of another host cannot be seen
 * @param net where the kernel lists network interfaces
 */
export async function networkTrouble(
  link: Pick<LibvirtLink, 'call'>,
  network: MachineNetwork,
  isLocal: boolean,
  net = interfaces,
): Promise<string | undefined> {
  if (network.kind === 'network') return libvirtNetworkTrouble(link, network.name);
  if (network.kind !== 'bridge' || !isLocal) return undefined;
  const { name } = network;
  if (await isThere(join(net, name, 'bridge'))) return undefined;
  return `the bridge ${name} ${(await isThere(join(net, name))) ? 'is no bridge' : 'does not exist'} on this machine`;
}

async function libvirtNetworkTrouble(link: Pick<LibvirtLink, 'call'>, name: string): Promise<string | undefined> {
  try {
    const { network } = await link.call(procedures.networkLookupByName, { name });
    const { active } = await link.call(procedures.networkIsActive, { network });
    return active === 0 ? `the libvirt network ${name} is not active: virsh net-start ${name}` : undefined;
  } catch (error) {
    if (!isLibvirtError(error, libvirtCode.noNetwork)) throw error;
    return `the libvirt network ${name} does not exist: see virsh net-list --all`;
  }
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(absent)) !== undefined;
}
