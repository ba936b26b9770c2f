import type { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import { type Entry, openPromise, type ZipFile } from 'yauzl';
import type { ArchiveFacts, ArchiveLimits, ArchiveReader } from '../domain/archive.ts';
import { TidepoolError } from '../domain/errors.ts';
import { type FileEntry, pathProblem } from '../protocol/file-stream.ts';
import { NameTree } from './name-tree.ts';
import { overlap, type Span } from './spans.ts';

/** Below this anything may shrink as it likes: a page of zeros is not an attack. */
const ratioFromBytes = 1024 * 1024;
const stored = 0;
const deflated = 8;

/** ArchiveReader for ZIP files (APPNOTE.TXT 6.3), by yauzl, with checks of our own on top. */
export const zipReader: ArchiveReader = { check: checkZip, files: zipFiles };

/** What is kept of a file between looking at it and reading it: an entry of yauzl's may hold 128 KiB of a stranger's. */
interface Member extends Span {
  readonly name: string;
  readonly dataStart: number;
  readonly packedBytes: number;
  readonly sizeBytes: number;
  readonly isDeflated: boolean;
  readonly crc32: number;
}

/** The rules, and what the archive is called in messages. */
interface Inspection extends ArchiveLimits {
  readonly what: string;
}

async function checkZip(path: string, limits: ArchiveLimits, what: string): Promise<ArchiveFacts> {
  let zip: ZipFile | undefined;
  try {
    zip = await openPromise(path, { autoClose: false });
    return await checkMembers(zip, { ...limits, what });
  } catch (error) {
    if (error instanceof TidepoolError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new TidepoolError('invalid', `${what} is not a ZIP archive that can be read: ${reason}`, { cause: error });
  } finally {
    zip?.close();
  }
}

/** First all that the archive says of itself, then its content: a bomb is found out before it is unpacked. */
async function checkMembers(zip: ZipFile, rules: Inspection): Promise<ArchiveFacts> {
  const directoryStart = Number(zip.readEntryCursor);
  if (zip.entryCount > 2 * rules.maxFiles) throw tooMany(zip.entryCount, rules);
  const names = new NameTree();
  const members: Member[] = [];
  for await (const entry of zip.eachEntry()) {
    checkEntry(entry, names, rules);
    const member = await memberOf(zip, entry, rules);
    if (!isFolder(entry)) members.push(member);
  }
  const sizeBytes = members.reduce((sum, member) => sum + member.sizeBytes, 0);
  checkTotal(sizeBytes, zip.fileSize, rules);
  if (overlap(members, directoryStart)) throw invalid(rules, 'has files that overlap each other');
  for (const member of members) await checkContent(zip, member, rules);
  return { files: names.files, sizeBytes };
}

function checkEntry(entry: Entry, names: NameTree, rules: Inspection): void {
  const { fileName, uncompressedSize, compressedSize } = entry;
  const shown = JSON.stringify(fileName.slice(0, 200));
  const problem = nameProblem(isFolder(entry) ? fileName.slice(0, -1) : fileName);
  if (problem !== undefined) throw invalid(rules, `has a name that is refused, ${shown}: ${problem}`);
  if (!isOrdinary(entry)) throw invalid(rules, `has ${shown}, which is a link or a device, not a file`);
  if (entry.isEncrypted()) throw invalid(rules, `has ${shown}, which is encrypted`);
  if (entry.compressionMethod !== stored && entry.compressionMethod !== deflated)
    throw invalid(rules, `has ${shown}, which is packed by another method than deflate`);
  if (isFolder(entry) && uncompressedSize > 0) throw invalid(rules, `has ${shown}, a folder with content`);
  const clash = names.add(fileName);
  if (clash !== undefined) throw invalid(rules, `has ${clash}`);
  if (names.files.size > rules.maxFiles) throw tooMany(names.files.size, rules);
  if (names.folders > rules.maxFiles) throw tooMany(names.folders, rules);
  if (isBomb(uncompressedSize, compressedSize, rules))
    throw tooDense(`has ${shown}, which`, uncompressedSize, compressedSize, rules);
}

function nameProblem(name: string): string | undefined {
  if (/[\u0080-\u009f]/.test(name)) return 'it has a control character';
  // By these a name is shown as another: `gpj.exe` as `exe.jpg`.
  if (/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/.test(name)) return 'it has a character that turns text round';
  return pathProblem(name);
}

/** Where it lies. Its own header must give the name that the directory gives: some programs read that one. */
async function memberOf(zip: ZipFile, entry: Entry, rules: Inspection): Promise<Member> {
  const { fileName: name, compressedSize: packedBytes, uncompressedSize: sizeBytes, compressionMethod } = entry;
  const { fileDataStart: dataStart, fileName } = await zip.readLocalFileHeaderPromise(entry);
  if (!fileName.equals(entry.fileNameRaw))
    throw invalid(rules, `has ${JSON.stringify(name)}, whose two headers do not give the same name`);
  const isDeflated = compressionMethod === deflated;
  const span = { start: entry.relativeOffsetOfLocalHeader, end: dataStart + packedBytes };
  return { ...span, name, dataStart, packedBytes, sizeBytes, isDeflated, crc32: entry.crc32 };
}

function checkTotal(sizeBytes: number, packedBytes: number, rules: Inspection): void {
  const { maxBytes, what } = rules;
  if (isBomb(sizeBytes, packedBytes, rules)) throw tooDense('', sizeBytes, packedBytes, rules);
  if (sizeBytes <= maxBytes) return;
  const details = { limit: 'maxBytes', allowed: maxBytes, found: sizeBytes };
  const text = `${what} unpacks to ${sizeBytes} bytes; at most ${maxBytes} are allowed`;
  throw new TidepoolError('too_large', text, { details });
}

/** Unpacks it to nowhere. What does not have the size or the sum that was announced is refused. */
async function checkContent(zip: ZipFile, member: Member, rules: Inspection): Promise<void> {
  let sum = 0;
  let bytes = 0;
  for await (const chunk of await contentOf(zip, member)) {
    bytes += chunk.length;
    if (bytes > member.sizeBytes) break;
    sum = crc32(chunk, sum);
  }
  const shown = JSON.stringify(member.name);
  if (bytes !== member.sizeBytes) throw invalid(rules, `is damaged: ${shown} has not the size that it says`);
  if (sum !== member.crc32) throw invalid(rules, `is damaged: ${shown} has a wrong checksum`);
}

/** The form with a callback: in yauzl 3.4.0 the one with a promise takes other parameters than its type says. */
function contentOf(zip: ZipFile, { dataStart, packedBytes, sizeBytes, isDeflated }: Member): Promise<Readable> {
  return new Promise((resolve, reject) => {
    zip.openReadStreamLowLevel(dataStart, packedBytes, 0, packedBytes, isDeflated, sizeBytes, (error, stream) => {
      if (error === null) resolve(stream);
      else reject(error);
    });
  });
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

/** The upper half of the attributes is a Unix mode, or 0, whatever system the archive says that it was made on. */
function isOrdinary(entry: Entry): boolean {
  const fileType = (entry.externalFileAttributes >>> 16) & 0o170000;
  return fileType === 0 || fileType === (isFolder(entry) ? 0o040000 : 0o100000);
}

function isBomb(sizeBytes: number, packedBytes: number, { maxRatio }: Inspection): boolean {
  return sizeBytes > ratioFromBytes && sizeBytes > packedBytes * maxRatio;
}

function invalid({ what }: Inspection, problem: string): TidepoolError {
  return new TidepoolError('invalid', `${what} ${problem}`);
}

function tooMany(found: number, { what, maxFiles }: Inspection): TidepoolError {
  const details = { limit: 'maxFiles', allowed: maxFiles, found };
  const text = `${what} has ${found} files or folders, or more; at most ${maxFiles} of each are allowed`;
  return new TidepoolError('too_large', text, { details });
}

/** @param where of the archive, '' for the whole */
function tooDense(
  where: string,
  sizeBytes: number,
  packedBytes: number,
  { what, maxRatio }: Inspection,
): TidepoolError {
  const details = { limit: 'maxRatio', allowed: maxRatio, found: sizeBytes, packed: packedBytes };
  const subject = where === '' ? what : `${what} ${where}`;
  const text = `${subject} unpacks from ${packedBytes} to ${sizeBytes} bytes; at most ${maxRatio} times is allowed`;
  return new TidepoolError('too_large', text, { details });
}
