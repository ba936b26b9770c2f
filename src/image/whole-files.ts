import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { absent } from '../files/durable.ts';
import { publish } from './cache.ts';

const factsSchema = z.object({
  sizeBytes: z.number(),
  /** Whole milliseconds since 1970. */
  modifiedAtMs: z.number(),
  sha256: z.string(),
});
/** The files of an image or a runtime as they were when it was built, by name. Those of an earlier version have none. */
export const filesSchema = z.record(z.string(), factsSchema).default({});
export type FileFacts = z.output<typeof filesSchema>;

/**
 * Writes beside finished files what they are, and gives their folder its final name.
 * @param about file that says what the result is. @param names files of it that must stay as they are
 */
export async function publishResult(
  from: string,
  to: string,
  about: { readonly name: string; readonly content: Readonly<Record<string, unknown>> },
  names: readonly string[],
): Promise<void> {
  const facts: FileFacts = {};
  for (const name of names) {
    const path = join(from, name);
    const { size: sizeBytes, mtimeMs } = await stat(path);
    facts[name] = { sizeBytes, modifiedAtMs: Math.floor(mtimeMs), sha256: await hashOf(path) };
  }
  await writeFile(join(from, about.name), `${JSON.stringify({ ...about.content, files: facts })}\n`);
  await publish(from, to);
}

/**
 * Returns in words which of the files is not what it was; undefined when all are. Looks at size and time: the content of a file
 * whose time is another is read once, and gives the file its time back when it is right.
 */
export async function damageOf(folder: string, facts: FileFacts): Promise<string | undefined> {
  for (const [name, { sizeBytes, modifiedAtMs, sha256 }] of Object.entries(facts)) {
    const path = join(folder, name);
    const found = await stat(path).catch(absent);
    if (found === undefined) return `${path} is missing`;
    if (found.size !== sizeBytes) return `${path} has ${found.size} bytes instead of ${sizeBytes}`;
    // A time in seconds with a fraction loses less than this.
    if (Math.abs(Math.floor(found.mtimeMs) - modifiedAtMs) <= 1) continue;
    if ((await hashOnce(path, `${found.ino} ${found.mtimeMs}`)) !== sha256) return `the content of ${path} has changed`;
    // A file of another user keeps its time; its hash is remembered.
    await utimes(path, modifiedAtMs / 1_000, modifiedAtMs / 1_000).catch(absent);
  }
  return undefined;
}

/** Bytes at the beginning of a squashfs, and what they say of its size (squashfs_fs.h). */
const squashfsHead = { bytes: 48, magic: 'hsqs', sizeAt: 40 };

/** Whether a squashfs has less bytes than it says itself; this is all that is known of one that an earlier version has built. */
export async function isCutSquashfs(path: string): Promise<boolean> {
  const file: FileHandle | undefined = await open(path).catch(absent);
  if (file === undefined) return false;
  try {
    const head = Buffer.alloc(squashfsHead.bytes);
    const { bytesRead } = await file.read(head, 0, head.length, 0);
    if (bytesRead < head.length || head.toString('latin1', 0, 4) !== squashfsHead.magic) return false;
    return BigInt((await file.stat()).size) < head.readBigUInt64LE(squashfsHead.sizeAt);
  } finally {
    await file.close();
  }
}

const mostHashes = 1_000;
const hashes = new Map<string, Promise<string>>();

/** The hash of a file in this state: one that is damaged is looked at every second, and read only once. */
function hashOnce(path: string, state: string): Promise<string> {
  const key = `${state} ${path}`;
  const known = hashes.get(key);
  if (known !== undefined) return known;
  const hash = hashOf(path);
  hashes.set(key, hash);
  hash.catch(() => hashes.delete(key));
  for (const oldest of hashes.keys()) {
    if (hashes.size <= mostHashes) break;
    hashes.delete(oldest);
  }
  return hash;
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) hash.update(chunk);
  return hash.digest('hex');
}
