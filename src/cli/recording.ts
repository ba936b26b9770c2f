import { type FileHandle, open } from 'node:fs/promises';
import { TidepoolError } from '../domain/errors.ts';
import { fileTrouble } from '../domain/file-trouble.ts';
import {
  headerLineSchema,
  maxLineBytes,
  maxRecordingBytes,
  type RecordingLine,
  recordingFormat,
  recordingVersion,
} from '../protocol/recording.ts';

/**
 * A recording that is written to. Lines are appended, all that are there at a time by one write, so that a file has
 * whole lines but perhaps for the last one after a crash; who appends to it again cuts that off.
 */
export class RecordingFile {
  readonly #path: string;
  readonly #file: FileHandle;
  #sizeBytes: number;

  private constructor(path: string, file: FileHandle, sizeBytes: number) {
    this.#path = path;
    this.#file = file;
    this.#sizeBytes = sizeBytes;
  }

  /** Opens a new file, or one that is a recording already. Errors: `invalid` when it cannot be, or is something else. */
  static async open(
    path: string,
    header: { atMs: number; server: string; intervalMs: number },
  ): Promise<RecordingFile> {
    const file = await open(path, 'a+').catch((cause: Error) => {
      throw new TidepoolError('invalid', `the recording ${path} cannot be written: ${fileTrouble(cause)}`, { cause });
    });
    try {
      const recording = new RecordingFile(path, file, await prepare(path, file));
      await recording.append([{ type: 'header', format: recordingFormat, version: recordingVersion, ...header }]);
      return recording;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Errors: `exhausted` when the disk or the recording is full. */
  async append(lines: readonly RecordingLine[]): Promise<void> {
    if (lines.length === 0) return;
    const encoded = lines.map((line) => Buffer.from(`${JSON.stringify(line)}\n`));
    const data = Buffer.concat(encoded.filter((line) => line.length <= maxLineBytes));
    if (this.#sizeBytes + data.length > maxRecordingBytes) {
      throw new TidepoolError('exhausted', `the recording ${this.#path} is full; go on with another file`);
    }
    await this.#file.appendFile(data).catch((cause: Error) => {
      const message = `the recording ${this.#path} cannot be written: ${fileTrouble(cause)}`;
      throw new TidepoolError('exhausted', message, { cause });
    });
    this.#sizeBytes += data.length;
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

/** Makes sure that lines can be appended; gives the size. */
async function prepare(path: string, file: FileHandle): Promise<number> {
  const facts = await file.stat();
  if (!facts.isFile()) throw new TidepoolError('invalid', `${path} is not a file`);
  if (facts.size === 0) return 0;
  const start = await readAt(file, 0, maxLineBytes);
  if (!isHeader(start.subarray(0, start.indexOf('\n')).toString())) {
    throw new TidepoolError('invalid', `${path} is there already and is not a recording; choose another name`);
  }
  const tailFrom = Math.max(0, facts.size - maxLineBytes);
  const tail = await readAt(file, tailFrom, maxLineBytes);
  const sizeBytes = tailFrom + tail.lastIndexOf('\n') + 1;
  if (sizeBytes < facts.size) await file.truncate(sizeBytes);
  return sizeBytes;
}

async function readAt(file: FileHandle, position: number, lengthBytes: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(lengthBytes), 0, lengthBytes, position);
  return buffer.subarray(0, bytesRead);
}

function isHeader(text: string): boolean {
  try {
    return headerLineSchema.safeParse(JSON.parse(text)).success;
  } catch {
    // No JSON, so no recording: the caller says so.
    return false;
  }
}
