import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';

/** What the checks ask of the machine. Everything is a file look-up: a start may afford all of it each time. */
export interface Host {
  readonly uid: number;
  readonly userName: string;
  /** Like `debian-12` or `ubuntu-24.04`; '' when os-release does not say. */
  readonly distribution: string;
  /** Where commands are looked for, in order. */
  readonly commandFolders: readonly string[];
  exists(path: string): boolean;
  /** Whether the group of a file may read and write it. */
  isGroupAccessible(path: string): boolean;
  /** Content of a small text file, or undefined when it cannot be read. */
  read(path: string): string | undefined;
  /** Names in a folder; empty when it cannot be read. */
  list(path: string): readonly string[];
}

/** Daemons and mke2fs live in sbin, which an ordinary user's PATH lacks on Debian. */
export const systemFolders = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** The machine that this process runs on. */
export function thisHost(): Host {
  const user = userInfo();
  const own = (process.env.PATH ?? '').split(':').filter((folder) => folder.startsWith('/'));
  const host = {
    uid: user.uid,
    userName: user.username,
    commandFolders: [...new Set([...own, ...systemFolders])],
    exists: existsSync,
    isGroupAccessible: (path: string) => ((attempt(() => statSync(path).mode) ?? 0) & 0o060) === 0o060,
    read: (path: string) => attempt(() => readFileSync(path, 'utf8')),
    list: (path: string) => attempt(() => readdirSync(path)) ?? [],
  };
  return { ...host, distribution: distributionOf(host.read('/etc/os-release') ?? '') };
}

/** The full path of a command, or undefined when it is in none of the host's folders. */
export function findCommand(host: Host, name: string): string | undefined {
  return host.commandFolders.map((folder) => join(folder, name)).find((path) => host.exists(path));
}

/** `<ID>-<VERSION_ID>` of an os-release file. */
export function distributionOf(osRelease: string): string {
  const value = (name: string) => new RegExp(`^${name}=["']?([^"'\\n]*)`, 'm').exec(osRelease)?.[1] ?? '';
  return value('ID') === '' ? '' : `${value('ID')}-${value('VERSION_ID')}`;
}

/** Unreadable counts as absent: the check that asked reports what it misses. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
