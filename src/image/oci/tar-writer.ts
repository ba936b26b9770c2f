import { Header, type HeaderData, Pax } from 'tar';

const blockBytes = 512;

/** The header of an entry as blocks of a tar archive; before it a PAX header where the old fields are too short. */
export function tarHeader(data: HeaderData): Buffer {
  const block = Buffer.alloc(blockBytes);
  if (!new Header(data).encode(block)) return block;
  // No more than names: squashfs-tools 4.5 refuses an archive with a time in a PAX header.
  const { path, linkpath } = data;
  const names = { ...(path === undefined ? {} : { path }), ...(linkpath === undefined ? {} : { linkpath }) };
  return Buffer.concat([new Pax(names).encode(), block]);
}

/** What fills an entry's last block. */
export function tarPadding(sizeBytes: number): Buffer {
  return Buffer.alloc((blockBytes - (sizeBytes % blockBytes)) % blockBytes);
}

/** What ends an archive. */
export function tarEnd(): Buffer {
  return Buffer.alloc(2 * blockBytes);
}
