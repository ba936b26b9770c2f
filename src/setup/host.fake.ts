import type { Host } from './host.ts';

export interface FakeHostOptions extends Partial<Pick<Host, 'uid' | 'userName' | 'distribution'>> {
  /** Content by path; a path that is not here does not exist. Tests may add to it. */
  readonly files?: Record<string, string>;
}

/** A made-up machine for tests: Debian 12, root, with just the given files. */
export function fakeHost({
  uid = 0,
  userName = 'root',
  distribution = 'debian-12',
  files = {},
}: FakeHostOptions): Host {
  return {
    uid,
    userName,
    distribution,
    commandFolders: ['/usr/sbin', '/usr/bin'],
    exists: (path) => path in files,
    // Content stands for the mode: the fake has no other use for it.
    isGroupAccessible: (path) => files[path] !== '0600',
    read: (path) => files[path],
    list: (path) =>
      Object.keys(files)
        .filter((file) => file.startsWith(`${path}/`))
        .map((file) => file.slice(path.length + 1)),
  };
}
