import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { TidepoolError, toTidepoolError } from '../../domain/errors.ts';
import { type Content, LayerTree, type TreeLimits } from './layer-tree.ts';
import { readTar, type TarEntry } from './tar-reader.ts';

/** A layer of an image: a tar archive, perhaps compressed, in a file. */
export interface Layer {
  readonly path: string;
  /** SHA-256 of the uncompressed archive, as the image's configuration tells it. */
  readonly diffId: string;
}

export interface ImageLimits extends TreeLimits {
  /** Of all layers together, uncompressed. */
  readonly maxBytes: number;
}

export const defaultImageLimits: ImageLimits = { maxEntries: 500_000, maxBytes: 32 * 1024 ** 3 };

/**
 * Reads all layers, lowest first, checks that each is the one that its image means, and gives the file system that they
 * make. Errors: `invalid` (damaged, another digest, paths that lead out), `too_large`.
 */
export async function readLayers(layers: readonly Layer[], limits: ImageLimits): Promise<LayerTree> {
  const tree = new LayerTree(limits);
  let leftBytes = limits.maxBytes;
  for (const { path, diffId } of layers) {
    const hash = createHash('sha256');
    const counted = async function* (): AsyncGenerator<Uint8Array> {
      for await (const chunk of uncompressed(path)) {
        leftBytes -= chunk.length;
        if (leftBytes < 0) {
          const { maxBytes } = limits;
          throw new TidepoolError('too_large', `the image has more than ${maxBytes} bytes`, { details: { maxBytes } });
        }
        hash.update(chunk);
        yield chunk;
      }
    };
    tree.beginLayer();
    for await (const entry of readTar(counted())) tree.add(entry);
    const digest = hash.digest('hex');
    if (digest !== diffId) {
      throw new TidepoolError('invalid', `a layer of the image is damaged: its digest is ${digest}, not ${diffId}`);
    }
  }
  return tree;
}

/** Calls `use` for the entries of a layer that are wanted, in the archive's order, each read to its end before the next. */
export async function* wantedEntries(
  { path }: Layer,
  wanted: ReadonlyMap<number, unknown>,
): AsyncGenerator<{ index: number; entry: TarEntry }> {
  let index = 0;
  let left = wanted.size;
  if (left === 0) return;
  for await (const entry of readTar(uncompressed(path))) {
    if (wanted.has(index)) {
      yield { index, entry };
      left -= 1;
      if (left === 0) return;
    }
    index += 1;
  }
}

/** A small text file of the image. Error: `too_large`. */
export async function readText(layers: readonly Layer[], content: Content, maxBytes: number): Promise<string> {
  if (content.sizeBytes > maxBytes)
    throw new TidepoolError('too_large', `a file of it has more than ${maxBytes} bytes`);
  const layer = layers[content.layer];
  if (layer === undefined) return '';
  for await (const { entry } of wantedEntries(layer, new Map([[content.entry, undefined]]))) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of entry.content()) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  }
  return '';
}

/** A file's bytes, unpacked if they are compressed: by what they are, whatever their name says. */
export async function* uncompressed(path: string): AsyncGenerator<Uint8Array> {
  const source = createReadStream(path);
  const decoder = await decoderOf(path);
  // Its error comes out of the last stream, where it is awaited.
  const stream = decoder === undefined ? source : pipeline(source, decoder, () => undefined);
  try {
    for await (const chunk of stream) yield chunk as Uint8Array;
  } catch (cause) {
    if (cause instanceof TidepoolError) throw cause;
    const { message } = toTidepoolError(cause);
    throw new TidepoolError('invalid', `a layer of the image cannot be read: ${message}`, { cause });
  } finally {
    source.destroy();
  }
}

async function decoderOf(path: string) {
  const file = await open(path, 'r');
  try {
    const { buffer } = await file.read(Buffer.alloc(4), 0, 4, 0);
    if (buffer.subarray(0, 2).equals(Buffer.from([0x1f, 0x8b]))) return createGunzip();
    if (buffer.equals(Buffer.from([0x28, 0xb5, 0x2f, 0xfd]))) return createZstdDecompress();
    return undefined;
  } finally {
    await file.close();
  }
}
