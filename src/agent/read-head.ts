import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

/**
 * At most the first bytes of a file that a container may have made, or that the kernel writes as it is read. A link is not
 * followed, a pipe not waited for; what is no regular file reads as empty.
 */
export async function readHead(path: string, maxBytes: number): Promise<string> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    if (!(await file.stat()).isFile()) return '';
    const buffer = Buffer.allocUnsafe(maxBytes);
    let size = 0;
    while (size < maxBytes) {
      const { bytesRead } = await file.read(buffer, size, maxBytes - size);
      if (bytesRead === 0) break;
      size += bytesRead;
    }
    return buffer.toString('utf8', 0, size);
  } finally {
    await file.close();
  }
}
