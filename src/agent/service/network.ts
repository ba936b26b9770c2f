import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { promisify } from 'node:util';
import { TidepoolError } from '../../domain/errors.ts';
import { serviceAddress } from '../../protocol/agent-service.ts';

/** The second network device of the VM, and QEMU's own end of its network, to which replies go. */
const device = { name: 'eth1', folder: '/sys/class/net/eth1', mask: '255.255.255.0', gateway: '10.0.3.2' } as const;
/** NSFS_MAGIC: what a file is on that a namespace is mounted on. */
const namespaceFileSystem = 0x6e736673;
const timeoutMs = 30_000;

// The shell is in the new namespace and pulls the device into it. Mounted on a file, the namespace stays when no process is
// in it. That comes last: after an error before it nothing is left, and the kernel gives the device back to the guest.
const makeScript = `
: >"$1"
unshare -n sh -ec '
  nsenter --net=/proc/1/ns/net ip link set "$2" netns $$
  ifconfig lo 127.0.0.1 up
  ifconfig "$2" "$3" netmask "$4" up
  route add default gw "$5"
  mount --bind /proc/self/ns/net "$1"' sh "$@"
`;

/**
 * Makes the network namespace that has the service device and that only containers of services join. It is mounted on
 * `file` and stays for the VM's life: an agent that starts again finds it. Calls must not overlap.
 * Errors: `conflict` (the VM has no such device), `internal`.
 */
export async function makeServiceNetwork(file: string): Promise<void> {
  if (await isNamespace(file)) return;
  if (!existsSync(device.folder)) throw new TidepoolError('conflict', 'this VM has no network device for services');
  const words = [file, device.name, serviceAddress, device.mask, device.gateway];
  try {
    await promisify(execFile)('/bin/sh', ['-ec', makeScript, 'sh', ...words], { timeout: timeoutMs });
  } catch (cause) {
    throw new TidepoolError('internal', `the network of services cannot be set up: ${String(cause)}`, { cause });
  }
}

async function isNamespace(file: string): Promise<boolean> {
  const found = await statfs(file).catch(() => undefined);
  return found?.type === namespaceFileSystem;
}
