import { access, constants, stat } from 'node:fs/promises';
import type { Config } from './schema.ts';

/**
 * Returns in words what the configuration names and the machine does not have. It may come later, such as a mount or a bridge that
 * is made after the server's start, and the rest works meanwhile: so these are warnings.
 * @param networkTrouble why the host has no such network, if it has none
 */
export async function configDoubts(
  { jobs: { pip } }: Pick<Config, 'jobs'>,
  networkTrouble: string | undefined,
): Promise<string[]> {
  const doubts: string[] = [];
  if (pip !== undefined && 'wheelDir' in pip) {
    const why = await whyNoFolder(pip.wheelDir);
    if (why !== undefined)
      doubts.push(`jobs.pip.wheelDir ${pip.wheelDir} ${why}; until that is mended, jobs with requirements fail`);
  }
  if (networkTrouble !== undefined) doubts.push(`network: ${networkTrouble}; until that is mended, no VM starts`);
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
