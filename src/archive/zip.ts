import { crc32 } from 'node:zlib';
import { type Entry, openPromise, type ZipFile } from 'yauzl';
import type { DatasetFacts, DatasetLimits, DatasetReader } from '../domain/dataset.ts';
import { TidepoolError } from '../domain/errors.ts';
import { type FileEntry, pathProblem } from '../protocol/file-stream.ts';

/** Files below this may shrink as they like: a page of zeros is not an attack. */
const ratioFromBytes = 1024 * 1024;

/** DatasetReader for ZIP files (APPNOTE.TXT 6.3), by yauzl, with checks of our own on top. */
export const zipReader: DatasetReader = { check: checkZip, files: zipFiles };

async function checkZip(path: string, limits: DatasetLimits): Promise<DatasetFacts> {
  try {
    return await checkEntries(await openPromise(path, { autoClose: true }), limits);
  } catch (error) {
    if (error instanceof TidepoolError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new TidepoolError('invalid', `the dataset is not a ZIP archive that can be read: ${reason}`, {
      cause: error,
    });
  }
}

async function checkEntries(zip: ZipFile, limits: DatasetLimits): Promise<DatasetFacts> {
  const names = new Set<string>();
  let sizeBytes = 0;
  let packedBytes = 0;
  for await (const entry of zip.eachEntry()) {
    if (isFolder(entry)) continue;
    checkEntry(entry, names, limits);
    sizeBytes += entry.uncompressedSize;
    packedBytes += entry.compressedSize;
    if (names.size > limits.maxFiles)
      throw tooLarge(`has more than ${limits.maxFiles} files`, { maxFiles: limits.maxFiles });
    if (sizeBytes > limits.maxBytes) {
      throw tooLarge(`unpacks to more than ${limits.maxBytes} bytes`, { maxBytes: limits.maxBytes });
    }
    if (packedBytes > zip.fileSize) throw invalid('has files that overlap each other');
    await checkContent(zip, entry);
  }
  checkNoFileIsAFolder(names);
  return { files: names.size, sizeBytes };
}

function checkEntry(entry: Entry, names: Set<string>, limits: DatasetLimits): void {
  const name = entry.fileName;
  const problem = pathProblem(name);
  if (problem !== undefined)
    throw invalid(`has a file ${JSON.stringify(name.slice(0, 100))} that is refused: ${problem}`);
  if (!isRegular(entry)) throw invalid(`has ${JSON.stringify(name)}, which is a link or a device, not a file`);
  if (entry.isEncrypted()) throw invalid(`has ${JSON.stringify(name)}, which is encrypted`);
  if (names.has(name)) throw invalid(`has two files named ${JSON.stringify(name)}`);
  names.add(name);
  const isBomb =
    entry.uncompressedSize > ratioFromBytes && entry.uncompressedSize > entry.compressedSize * limits.maxRatio;
  if (isBomb) {
    throw tooLarge(`has ${JSON.stringify(name)}, which unpacks to more than ${limits.maxRatio} times its size`, {
      maxRatio: limits.maxRatio,
    });
  }
}

/** yauzl compares the sizes while inflating; the checksum is ours. */
async function checkContent(zip: ZipFile, entry: Entry): Promise<void> {
  let sum = 0;
  for await (const chunk of await zip.openReadStreamPromise(entry)) sum = crc32(chunk, sum);
  if (sum !== entry.crc32) throw invalid(`is damaged: ${JSON.stringify(entry.fileName)} has a wrong checksum`);
}

function checkNoFileIsAFolder(names: ReadonlySet<string>): void {
  for (const name of names) {
    for (let slash = name.indexOf('/'); slash >= 0; slash = name.indexOf('/', slash + 1)) {
      const parent = name.slice(0, slash);
      if (names.has(parent)) throw invalid(`has ${JSON.stringify(parent)} both as a file and as a folder`);
    }
  }
}

async function* zipFiles(path: string): AsyncGenerator<FileEntry> {
  const zip = await openPromise(path, { autoClose: true });
  for await (const entry of zip.eachEntry()) {
    if (isFolder(entry)) continue;
    yield { path: entry.fileName, size: entry.uncompressedSize, content: await zip.openReadStreamPromise(entry) };
  }
}

function isFolder(entry: Entry): boolean {
  return entry.fileName.endsWith('/');
}

/** The upper half of the attributes is a Unix mode when the archive was made on Unix (host 3) or macOS (19). */
function isRegular(entry: Entry): boolean {
  const host = entry.versionMadeBy >>> 8;
  const fileType = (entry.externalFileAttributes >>> 16) & 0o170000;
  return (host !== 3 && host !== 19) || fileType === 0 || fileType === 0o100000;
}

function invalid(what: string): TidepoolError {
  return new TidepoolError('invalid', `the dataset ${what}`);
}

function tooLarge(what: string, details: Record<string, number>): TidepoolError {
  return new TidepoolError('too_large', `the dataset ${what}`, { details });
}
