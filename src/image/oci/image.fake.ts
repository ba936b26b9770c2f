import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import type { HeaderData } from 'tar';
import { tarEnd, tarHeader, tarPadding } from './tar-writer.ts';

/** An entry of a layer: a file's content, or what kind of entry it is. */
export type FakeEntry = readonly [path: string, content: string | Partial<HeaderData>];

/** A tar archive of these entries, in their order. */
export function tarOf(...entries: readonly FakeEntry[]): Buffer {
  const blocks: Buffer[] = [];
  for (const [path, content] of entries) {
    const bytes = Buffer.from(typeof content === 'string' ? content : '');
    const given = typeof content === 'string' ? {} : content;
    blocks.push(tarHeader({ path, type: 'File', mode: 0o644, size: bytes.length, mtime: new Date(0), ...given }));
    blocks.push(bytes, tarPadding(bytes.length));
  }
  return Buffer.concat([...blocks, tarEnd()]);
}

export const folder = { type: 'Directory', mode: 0o755 } as const;
export const link = (linkpath: string) => ({ type: 'SymbolicLink', linkpath }) as const;
export const hardLink = (linkpath: string) => ({ type: 'Link', linkpath }) as const;

export interface FakeImage {
  readonly layers: readonly Buffer[];
  readonly config?: Readonly<Record<string, unknown>>;
  readonly architecture?: string;
}

/** In hexadecimal digits. */
export function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Writes an OCI layout, its layers by turns plain, with gzip and with zstd. */
export async function writeOciLayout(root: string, image: FakeImage): Promise<void> {
  const blobs = join(root, 'blobs', 'sha256');
  await mkdir(blobs, { recursive: true });
  const put = async (bytes: Buffer, mediaType: string) => {
    await writeFile(join(blobs, sha256(bytes)), bytes);
    return { mediaType, digest: `sha256:${sha256(bytes)}`, size: bytes.length };
  };
  const layers = [];
  for (const [i, layer] of image.layers.entries()) {
    const packed = [layer, gzipSync(layer), zstdCompressSync(layer)][i % 3] ?? layer;
    layers.push(await put(packed, 'application/vnd.oci.image.layer.v1.tar'));
  }
  const config = await put(Buffer.from(JSON.stringify(configOf(image))), 'application/vnd.oci.image.config.v1+json');
  const type = 'application/vnd.oci.image.manifest.v1+json';
  const manifest = await put(Buffer.from(JSON.stringify({ schemaVersion: 2, config, layers })), type);
  await writeFile(join(root, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  await writeFile(join(root, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [manifest] }));
}

/** What `docker save` writes. */
export function dockerArchive(image: FakeImage): Buffer {
  const config = JSON.stringify(configOf(image));
  const names = image.layers.map((layer) => `${sha256(layer)}/layer.tar`);
  const manifest = [{ Config: `${sha256(config)}.json`, RepoTags: ['x:latest'], Layers: names }];
  const files = [...new Set(names)].map((name, i) => binary(name, image.layers[i] ?? Buffer.alloc(0)));
  const rest = [
    binary(`${sha256(config)}.json`, Buffer.from(config)),
    binary('manifest.json', Buffer.from(JSON.stringify(manifest))),
  ];
  return Buffer.concat([...files, ...rest, tarEnd()]);
}

function binary(path: string, bytes: Buffer): Buffer {
  const header = tarHeader({ path, type: 'File', mode: 0o644, size: bytes.length, mtime: new Date(0) });
  return Buffer.concat([header, bytes, tarPadding(bytes.length)]);
}

function configOf({ layers, config = {}, architecture = 'amd64' }: FakeImage) {
  const diff_ids = layers.map((layer) => `sha256:${sha256(layer)}`);
  return { os: 'linux', architecture, config, rootfs: { type: 'layers', diff_ids } };
}
