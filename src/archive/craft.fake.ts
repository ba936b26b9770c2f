import { crc32, deflateRawSync } from 'node:zlib';

/** One file of an archive that is written byte by byte; what is not given is as it should be. */
export interface CraftedFile {
  readonly name: string | Buffer;
  readonly content?: Buffer | string;
  /** Packed bytes as they are, for content that lies. */
  readonly packed?: Buffer;
  readonly method?: number;
  readonly flags?: number;
  /** Unix mode in the directory's attributes; 0 is none. */
  readonly mode?: number;
  /** High byte: the system that it was made on; 3 is Unix. */
  readonly madeBy?: number;
  /** In the directory. */
  readonly sizeBytes?: number;
  readonly sum?: number;
  /** Its own header's name, where that differs. */
  readonly localName?: string;
  /** Offset of its header, where it is another file's. */
  readonly headerAt?: number;
}

/** Writes a ZIP archive that no program would write. @param count of entries in its end record, if it is to lie */
export function craftZip(files: readonly CraftedFile[], count = files.length): Buffer {
  const locals: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const file of files) {
    const content = Buffer.from(file.content ?? '');
    const method = file.method ?? 0;
    const packed = file.packed ?? (method === 8 ? deflateRawSync(content) : content);
    const numbers = { method, flags: file.flags ?? 0x800, sum: file.sum ?? crc32(content), packed: packed.length };
    const sizeBytes = file.sizeBytes ?? content.length;
    const local = header(0x04034b50, Buffer.from(file.localName ?? file.name), { ...numbers, sizeBytes });
    if (file.headerAt === undefined) locals.push(local, packed);
    directory.push(entry(file, { ...numbers, sizeBytes }, file.headerAt ?? at));
    if (file.headerAt === undefined) at += local.length + packed.length;
  }
  const entries = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(count, 8);
  end.writeUInt16LE(count, 10);
  end.writeUInt32LE(entries.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...locals, entries, end]);
}

interface Numbers {
  readonly method: number;
  readonly flags: number;
  readonly sum: number;
  readonly packed: number;
  readonly sizeBytes: number;
}

/** The part that both headers of a file have in common is at this offset of each. */
function writeNumbers(bytes: Buffer, at: number, { method, flags, sum, packed, sizeBytes }: Numbers): void {
  bytes.writeUInt16LE(flags, at);
  bytes.writeUInt16LE(method, at + 2);
  bytes.writeUInt32LE(sum, at + 8);
  bytes.writeUInt32LE(packed, at + 12);
  bytes.writeUInt32LE(sizeBytes, at + 16);
}

function header(signature: number, name: Buffer, numbers: Numbers): Buffer {
  const bytes = Buffer.alloc(30);
  bytes.writeUInt32LE(signature, 0);
  bytes.writeUInt16LE(20, 4);
  writeNumbers(bytes, 6, numbers);
  bytes.writeUInt16LE(name.length, 26);
  return Buffer.concat([bytes, name]);
}

function entry({ name, mode = 0, madeBy = 3 << 8 }: CraftedFile, numbers: Numbers, headerAt: number): Buffer {
  const encoded = Buffer.from(name as string);
  const bytes = Buffer.alloc(46);
  bytes.writeUInt32LE(0x02014b50, 0);
  bytes.writeUInt16LE(madeBy, 4);
  bytes.writeUInt16LE(20, 6);
  writeNumbers(bytes, 8, numbers);
  bytes.writeUInt16LE(encoded.length, 28);
  bytes.writeUInt32LE((mode << 16) >>> 0, 38);
  bytes.writeUInt32LE(headerAt, 42);
  return Buffer.concat([bytes, encoded]);
}
