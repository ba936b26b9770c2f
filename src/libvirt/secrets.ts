import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Files that carry secrets into a guest by fw_cfg, in a folder for each machine. The files are 0600; the folder may be
 * passed through, because QEMU runs as another user, to whom libvirt gives the files when it starts it.
 */
export async function writeSecrets(
  folder: string,
  machineName: string,
  secrets: Readonly<Record<string, Uint8Array>>,
): Promise<Map<string, string>> {
  const own = secretFolder(folder, machineName);
  const paths = new Map<string, string>();
  if (Object.keys(secrets).length === 0) return paths;
  await rm(own, { recursive: true, force: true });
  // The folder of all machines may be in a data folder, which must not seem to be there again after it was moved away.
  for (const path of [folder, own]) await mkdir(path, { mode: 0o711 }).catch(unlessThere);
  for (const [key, value] of Object.entries(secrets)) {
    const file = join(own, key);
    await writeFile(file, value, { mode: 0o600, flag: 'wx' });
    paths.set(key, file);
  }
  return paths;
}

/** Those that are not there are not an error. */
export async function removeSecrets(folder: string, machineName: string): Promise<void> {
  await rm(secretFolder(folder, machineName), { recursive: true, force: true });
}

function secretFolder(folder: string, machineName: string): string {
  return join(folder, `${machineName}.secrets`);
}

function unlessThere(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error;
}
