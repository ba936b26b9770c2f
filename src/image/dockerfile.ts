import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunCommand } from './command.ts';
import type { ImageOrigin } from './import-runtime.ts';

export interface DockerfileOptions {
  /** Folder with the Dockerfile: the context of the build. Absolute. */
  readonly folder: string;
  /** For the build program beside a minimal one: a proxy, where credentials of registries are. */
  readonly environment: Readonly<Record<string, string>>;
  readonly isRoot: boolean;
}

/** An image as buildah builds it: no daemon, its storage in the work folder and gone with it. */
export function buildWithBuildah({ folder, environment, isRoot }: DockerfileOptions): ImageOrigin {
  return {
    kind: 'build',
    async build(work, run, report) {
      const [storage, layout] = [join(work, 'storage'), join(work, 'layout')];
      await mkdir(storage);
      const store = ['--root', join(storage, 'root'), '--runroot', join(storage, 'run'), '--storage-driver', 'vfs'];
      const buildah = (...args: string[]): Promise<string> =>
        run({ program: 'buildah', args: [...store, ...args], environment, onLine: report });
      try {
        // Nothing in it tells when it was built, so the same Dockerfile gives the same runtime.
        const flags = ['--format', 'oci', '--layers=false', '--timestamp', '0'];
        // chroot: works in a container and without any right over cgroups; who may build here is trusted with the host.
        await buildah('build', '--isolation', 'chroot', ...flags, '-t', 'runtime', folder);
        await buildah('push', 'runtime', `oci:${layout}`);
        return { kind: 'oci', folder: layout };
      } finally {
        await removeStorage(storage, isRoot, run, environment);
      }
    },
  };
}

/** Files that an ordinary user's build made belong to ids that only its user namespace may touch. */
async function removeStorage(
  storage: string,
  isRoot: boolean,
  run: RunCommand,
  environment: Readonly<Record<string, string>>,
): Promise<void> {
  const remove = ['rm', '-rf', '--one-file-system', storage];
  const args = isRoot ? remove : ['buildah', 'unshare', ...remove];
  await run({ program: args[0] ?? '', args: args.slice(1), environment });
}

/** An image as a Docker that is there builds it. Its own cache keeps the layers. */
export function buildWithDocker({ folder, environment }: DockerfileOptions, tag: string): ImageOrigin {
  return {
    kind: 'build',
    async build(work, run, report) {
      const docker = (...args: string[]): Promise<string> =>
        run({ program: 'docker', args, environment, onLine: report });
      const file = join(work, 'saved.tar');
      await docker('build', '--progress', 'plain', '--tag', tag, folder);
      try {
        await docker('save', '--output', file, tag);
        return { kind: 'docker-archive', file };
      } finally {
        await docker('image', 'rm', '--no-prune', tag);
      }
    },
  };
}
