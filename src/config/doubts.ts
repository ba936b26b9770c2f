import { access, constants, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from './schema.ts';

/** The kernel's folders of network interfaces: one that is a bridge has a folder of this name in it. */
const interfaces = '/sys/class/net';

/**
 * Returns in words what the configuration names and the machine does not have. It may come later, such as a mount or a bridge that
 * is made after the server's start, and the rest works meanwhile: so these are warnings.
 * @param isLocal whether VMs run on this machine: a bridge of another one cannot be seen
 * @param net where the kernel lists network interfaces
 */
export async function configDoubts(
  { jobs: { pip }, network }: Pick<Config, 'jobs' | 'network'>,
  isLocal: boolean,
  net = interfaces,
): Promise<string[]> {
  const doubts: string[] = [];
  if (pip !== undefined && 'wheelDir' in pip) {
    const why = await whyNoFolder(pip.wheelDir);
    if (why !== undefined)
      doubts.push(`jobs.pip.wheelDir ${pip.wheelDir} ${why}; until that is mended, jobs with requirements fail`);
  }
  if (network.kind === 'bridge' && isLocal) {
    const { name } = network;
    const why = (await isThere(join(net, name))) ? 'is no bridge' : 'is not there';
    if (!(await isThere(join(net, name, 'bridge'))))
      doubts.push(`the bridge ${name} of network ${why}; until that is mended, no VM starts`);
  }
  return doubts;
}

async function whyNoFolder(path: string): Promise<string | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return 'is not there';
  if (!found.isDirectory()) return 'is no folder';
  return access(path, constants.R_OK | constants.X_OK).then(
    () => undefined,
    () => 'cannot be read by this user',
  );
}

function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
