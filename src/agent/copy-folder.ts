import { constants } from 'node:fs';
import { copyFile, lchown, lstat, mkdir, readdir, readlink, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { TidepoolError } from '../domain/errors.ts';
import type { UnpackOptions } from './unpack.ts';

/** What a file or folder takes on disk beside its content. */
const blockBytes = 4096;

/**
 * Copies what a runtime has in a folder into a work folder that no job can reach yet; what is there already stays. A
 * runtime may be a stranger's image: no link of it is followed, and what is neither file, folder nor link is left out.
 * Errors: `too_large` (more than the limits), `invalid` (the folder is not one).
 * @param path absolute, as the container will see it
 */
export async function copyFolder(runtimePath: string, path: string, options: UnpackOptions): Promise<void> {
  let from = runtimePath;
  for (const name of path.split('/').filter((part) => part !== '')) {
    from = join(from, name);
    const facts = await lstat(from).catch(() => undefined);
    if (facts?.isDirectory() !== true) throw new TidepoolError('invalid', `the runtime has no folder ${path}`);
  }
  const left = { bytes: options.maxBytes, files: options.maxFiles };
  // A list instead of recursion: the depth is the image's to choose.
  const folders = [{ from, to: options.folder }];
  for (let next = folders.pop(); next !== undefined; next = folders.pop()) {
    for (const entry of await readdir(next.from, { withFileTypes: true })) {
      const [source, target] = [join(next.from, entry.name), join(next.to, entry.name)];
      const known = await lstat(target).catch(() => undefined);
      if (entry.isDirectory() && (known === undefined || known.isDirectory()))
        folders.push({ from: source, to: target });
      if (known !== undefined) continue;
      const { size } = await lstat(source);
      left.bytes -= Math.ceil(size / blockBytes) * blockBytes;
      left.files -= 1;
      if (left.bytes < 0 || left.files < 0) {
        throw new TidepoolError(
          'too_large',
          `what the image has in ${path} is more than the disk limit of ${options.maxBytes} bytes`,
        );
      }
      if (entry.isDirectory()) await mkdir(target, { mode: 0o755 });
      else if (entry.isFile()) await copyFile(source, target, constants.COPYFILE_EXCL);
      else if (entry.isSymbolicLink()) await symlink(await readlink(source), target);
      else continue;
      await lchown(target, options.owner, options.owner);
    }
  }
}
