/**
 * Writes a cpio archive in the `newc` form, the one that the kernel unpacks as its initrd
 * (Documentation/driver-api/early-userspace/buffer-format.rst). All entries belong to root and carry time 0, so the
 * same files always give the same bytes.
 */

export type CpioEntry =
  | { readonly kind: 'directory'; readonly path: string }
  | { readonly kind: 'file'; readonly path: string; readonly mode: number; readonly content: Uint8Array }
  | { readonly kind: 'link'; readonly path: string; readonly target: string };

const typeBits = { directory: 0o040000, file: 0o100000, link: 0o120000 } as const;

/** Entries in the order given: a directory before what is in it. Paths are relative, e.g. `sbin/init`. */
export function cpioArchive(entries: readonly CpioEntry[]): Buffer {
  const parts: Buffer[] = [];
  entries.forEach((entry, index) => {
    const content = entryContent(entry);
    const permissions = entry.kind === 'file' ? entry.mode : entry.kind === 'link' ? 0o777 : 0o755;
    parts.push(record(index + 1, typeBits[entry.kind] | permissions, entry.path, content));
  });
  parts.push(record(0, 0, 'TRAILER!!!', Buffer.alloc(0)));
  return Buffer.concat(parts);
}

function entryContent(entry: CpioEntry): Uint8Array {
  if (entry.kind === 'file') return entry.content;
  return entry.kind === 'link' ? Buffer.from(entry.target) : Buffer.alloc(0);
}

function record(inode: number, mode: number, path: string, content: Uint8Array): Buffer {
  const name = Buffer.from(`${path}\0`);
  // inode, mode, uid, gid, links, mtime, size, device (2), device of a node (2), length of the name, checksum (unused)
  const fields = [inode, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length, 0];
  const header = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`);
  return Buffer.concat([padded(Buffer.concat([header, name])), padded(content)]);
}

/** Name and content each end on a multiple of four bytes. */
function padded(bytes: Uint8Array): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
}
