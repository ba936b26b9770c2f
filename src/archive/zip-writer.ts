import { type PassThrough, Readable } from 'node:stream';
import { ZipFile } from 'yazl';
import type { ArchiveFile } from '../domain/archive.ts';

/**
 * ArchiveWriter for ZIP files, by yazl. Nothing is packed: what takes room mostly is already, and it would cost the
 * server's CPU.
 */
export function writeZip(files: readonly ArchiveFile[], changedAtMs: number): Readable {
  const zip = new ZipFile();
  const output = zip.outputStream as PassThrough;
  let current: Readable | undefined;
  zip.on('error', (error: Error) => output.destroy(error));
  // Who reads may go at any time; the file that is being read is closed then.
  output.once('close', () => current?.destroy());
  for (const { path, sizeBytes, open } of files) {
    const options = { size: sizeBytes, compress: false, mode: 0o100644, mtime: new Date(changedAtMs) };
    zip.addReadStreamLazy(path, options, (give) => {
      open().then(
        (content) => {
          current = Readable.from(content);
          if (output.destroyed) current.destroy();
          give(null, current);
        },
        (error: unknown) => output.destroy(error instanceof Error ? error : undefined),
      );
    });
  }
  zip.end();
  return output;
}
