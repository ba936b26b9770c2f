import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';

/** The environment variables of the process that asks: `process.env` in the end. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Where a daemon on this machine may listen, the likelier path first. There are two layouts: one daemon for everything
 * (`libvirtd`), and one for each driver (`virtqemud`), which newer distributions have. Where both are, libvirt itself
 * prefers the driver's own.
 */
export function systemSockets(driver: string): string[] {
  const names = socketNames(driver);
  return ['/run/libvirt', '/var/run/libvirt'].flatMap((folder) => names.map((name) => join(folder, name)));
}

/** The same for the user's own daemon. */
export function sessionSockets(driver: string, env: Environment): string[] {
  const folder = sessionFolder(env);
  return socketNames(driver).map((name) => join(folder, name));
}

/** libvirt: virGetUserRuntimeDirectory, which falls back to the cache folder where there is no runtime folder. */
function sessionFolder(env: Environment): string {
  if (env.XDG_RUNTIME_DIR) return join(env.XDG_RUNTIME_DIR, 'libvirt');
  if (env.XDG_CACHE_HOME) return join(env.XDG_CACHE_HOME, 'libvirt');
  return join(env.HOME || homedir() || userInfo().homedir, '.cache', 'libvirt');
}

function socketNames(driver: string): string[] {
  return [`virt${driver}d-sock`, 'libvirt-sock'];
}
