import { chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type ErrorCode, TidepoolError } from '../domain/errors.ts';
import { decodeFiles, type FileEntry, FileStreamCut } from '../protocol/file-stream.ts';

export interface UnpackOptions {
  readonly folder: string;
  /** User and group id that all files and folders get. */
  readonly owner: number;
  /** The quota does not hold for root, who writes here, so both are counted. */
  readonly maxBytes: number;
  readonly maxFiles: number;
}

/** A file so small is gathered and written at once, which ends in the page cache; what is larger must not hold up others. */
const smallBytes = 64 * 1024;
/** What a file or folder takes on disk beside its content. */
const blockBytes = 4096;

/**
 * Writes a file stream into an empty folder that no job can reach yet. Names were checked by `decodeFiles`.
 * Errors: `too_large` (more than the limits), `invalid` (not a file stream, one name twice), `aborted` (cut short),
 * `internal` (the disk does not take them).
 */
export async function unpackFiles(source: AsyncIterable<Uint8Array>, options: UnpackOptions): Promise<Set<string>> {
  const paths = new Set<string>();
  const folders = new Set(['.']);
  let leftBytes = options.maxBytes;
  const writeFile = async (file: FileEntry): Promise<void> => {
    leftBytes -= Math.ceil(file.size / blockBytes) * blockBytes;
    if (paths.size >= options.maxFiles) throw tooLarge(`has more than ${options.maxFiles} files`);
    if (leftBytes < 0) throw tooLarge(`is larger than its disk limit of ${options.maxBytes} bytes`);
    makeFolders(dirname(file.path), options, folders);
    await writeOwned(file, options);
    paths.add(file.path);
  };
  try {
    await decodeFiles(source, writeFile);
    makeFolders('out', options, folders);
    return paths;
  } catch (error) {
    throw unpackError(error);
  }
}

/** A stream that names a file twice, or as a file and as a folder, is its own mistake; other trouble of the disk is ours. */
const ownMistakes: readonly unknown[] = ['EEXIST', 'ENOTDIR', 'EISDIR', 'ENAMETOOLONG'];

function unpackError(error: unknown): TidepoolError {
  if (error instanceof TidepoolError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  const make = (code: ErrorCode): TidepoolError =>
    new TidepoolError(code, `the working folder cannot be made: ${reason}`, { cause: error });
  if (error instanceof FileStreamCut) return make('aborted');
  if (error instanceof RangeError || error instanceof SyntaxError) return make('invalid');
  return make(error instanceof Error && 'code' in error && ownMistakes.includes(error.code) ? 'invalid' : 'internal');
}

function makeFolders(path: string, options: UnpackOptions, known: Set<string>): void {
  if (known.has(path)) return;
  makeFolders(dirname(path), options, known);
  const folder = `${options.folder}/${path}`;
  mkdirSync(folder, { mode: 0o755 });
  chownSync(folder, options.owner, options.owner);
  known.add(path);
}

async function writeOwned(file: FileEntry, options: UnpackOptions): Promise<void> {
  const path = `${options.folder}/${file.path}`;
  if (file.size <= smallBytes) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of file.content) chunks.push(chunk);
    writeFileSync(path, Buffer.concat(chunks), { flag: 'wx', mode: 0o644 });
    chownSync(path, options.owner, options.owner);
    return;
  }
  const handle = await open(path, 'wx', 0o644);
  try {
    await handle.chown(options.owner, options.owner);
    for await (const chunk of file.content) await handle.appendFile(chunk);
  } finally {
    await handle.close();
  }
}

function tooLarge(problem: string): TidepoolError {
  return new TidepoolError('too_large', `the working folder ${problem}`);
}
