import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { TidepoolError } from '../../domain/errors.ts';
import { type ImageLimits, uncompressed } from './layers.ts';
import { readTar, type TarEntry } from './tar-reader.ts';

/** A file for each layer and a few documents; images have 127 layers at most. */
const maxFiles = 2_000;

/**
 * Unpacks the archive of `docker save` (which may be compressed) into a folder, under names of our own.
 * Errors: `invalid`, `too_large`.
 * @returns where each file is, by its name in the archive
 */
export async function unpackDockerArchive(
  archive: string,
  folder: string,
  { maxBytes }: Pick<ImageLimits, 'maxBytes'>,
): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>();
  const links = new Map<string, string>();
  let leftBytes = maxBytes;
  for await (const entry of readTar(uncompressed(archive))) {
    const name = nameOf(entry.path);
    if (files.size + links.size >= maxFiles)
      throw new TidepoolError('invalid', `the archive has more than ${maxFiles} files`);
    if (entry.type === 'SymbolicLink' || entry.type === 'Link') {
      // Old versions wrote a layer that comes twice as a link to the first.
      links.set(name, nameOf(entry.type === 'Link' ? entry.link : join('/', name, '..', entry.link)));
    } else if (entry.type !== 'Directory') {
      leftBytes -= entry.sizeBytes;
      if (leftBytes < 0)
        throw new TidepoolError('too_large', `the archive has more than ${maxBytes} bytes`, { details: { maxBytes } });
      const path = join(folder, createHash('sha256').update(name).digest('hex'));
      await writeEntry(entry, path);
      files.set(name, path);
    }
  }
  for (const [name, target] of links) {
    const path = files.get(target);
    if (path !== undefined) files.set(name, path);
  }
  return files;
}

function nameOf(path: string): string {
  return path.replace(/^(\.?\/)+/, '');
}

async function writeEntry(entry: TarEntry, path: string): Promise<void> {
  const file = await open(path, 'w', 0o600);
  try {
    for await (const chunk of entry.content()) await file.appendFile(chunk);
  } finally {
    await file.close();
  }
}
