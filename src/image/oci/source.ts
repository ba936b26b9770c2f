import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TidepoolError } from '../../domain/errors.ts';
import {
  configSchema,
  type Descriptor,
  dockerManifestSchema,
  type ImageConfig,
  type Index,
  indexSchema,
  manifestSchema,
  parseDocument,
} from './documents.ts';
import type { Layer } from './layers.ts';

/** An image on disk: its configuration, and its layers, lowest first. Their contents are not checked yet. */
export interface ImageSource {
  /** Hexadecimal SHA-256 of the configuration, which names every layer's: the image's identity. */
  readonly id: string;
  readonly config: ImageConfig;
  readonly layers: readonly Layer[];
}

const maxDocumentBytes = 4 * 1024 * 1024;
/** Of an index in an index. */
const maxIndexDepth = 2;

/**
 * Opens an OCI image layout (a folder with `oci-layout`, `index.json`, `blobs/`), following digests, each of which is
 * checked. Of several images it takes the one for this machine's kind. Error: `invalid`.
 * @param architecture in Go's words: `amd64`, `arm64`
 */
export async function openOciLayout(folder: string, architecture: string): Promise<ImageSource> {
  const index = parseDocument(indexSchema, await readDocument(join(folder, 'index.json')), 'its index.json');
  const chosen = await chooseManifest(folder, index, architecture, 0);
  const manifest = parseDocument(manifestSchema, await readBlob(folder, chosen), 'its manifest');
  const config = parseDocument(configSchema, await readBlob(folder, manifest.config), 'its configuration');
  const paths: string[] = [];
  for (const layer of manifest.layers) {
    const path = blobPath(folder, layer);
    await checkBlob(path, layer);
    paths.push(path);
  }
  return { id: hexOf(manifest.config.digest), config, layers: layersOf(config, paths, architecture) };
}

/**
 * Opens what `docker save` wrote, unpacked. Error: `invalid`.
 * @param files where each file of the archive is, by its name in it
 */
export async function openDockerArchive(
  files: ReadonlyMap<string, string>,
  architecture: string,
): Promise<ImageSource> {
  const find = (name: string): string => {
    const path = files.get(name);
    if (path === undefined) throw invalid(`the archive has no ${JSON.stringify(name)}; is it from docker save?`);
    return path;
  };
  const images = parseDocument(dockerManifestSchema, await readDocument(find('manifest.json')), 'its manifest.json');
  const [image] = images;
  if (image === undefined || images.length > 1)
    throw invalid(`the archive has ${images.length} images; save one alone`);
  const text = await readDocument(find(image.Config));
  const id = createHash('sha256').update(text).digest('hex');
  // Old archives name it <digest>.json, new ones blobs/sha256/<digest>.
  const named = /([0-9a-f]{64})(\.json)?$/.exec(image.Config)?.[1];
  if (named !== undefined && named !== id) throw invalid(`its configuration is damaged: its digest is ${id}`);
  const config = parseDocument(configSchema, text, 'its configuration');
  return { id, config, layers: layersOf(config, image.Layers.map(find), architecture) };
}

function layersOf({ os, architecture, rootfs }: ImageConfig, paths: readonly string[], wanted: string): Layer[] {
  if (os !== 'linux' || architecture !== wanted) {
    throw invalid(`it is for ${os} on ${architecture}, and workers are linux on ${wanted}`);
  }
  const diffIds = rootfs.diff_ids;
  if (paths.length !== diffIds.length) {
    throw invalid(`it has ${paths.length} layers, and its configuration tells of ${diffIds.length}`);
  }
  return paths.map((path, i) => ({ path, diffId: hexOf(diffIds[i] ?? '') }));
}

async function chooseManifest(folder: string, index: Index, architecture: string, depth: number): Promise<Descriptor> {
  const fitting = index.manifests.filter(({ platform }) => {
    return platform === undefined || (platform.os === 'linux' && platform.architecture === architecture);
  });
  const [chosen] = fitting;
  if (chosen === undefined) throw invalid(`it has no variant for linux on ${architecture}`);
  if (fitting.length > 1)
    throw invalid(`it holds ${fitting.length} images for linux on ${architecture}; keep one alone`);
  const isIndex = /image\.index|manifest\.list/.test(chosen.mediaType ?? '');
  if (!isIndex) return chosen;
  if (depth === maxIndexDepth) throw invalid('its index is in an index, in an index, and so on');
  const inner = parseDocument(indexSchema, await readBlob(folder, chosen), 'an index of it');
  return chooseManifest(folder, inner, architecture, depth + 1);
}

async function readBlob(folder: string, blob: Descriptor): Promise<string> {
  const path = blobPath(folder, blob);
  const text = await readDocument(path);
  const digest = createHash('sha256').update(text).digest('hex');
  if (digest !== hexOf(blob.digest)) throw invalid(`${blob.digest} is damaged: its digest is ${digest}`);
  return text;
}

async function checkBlob(path: string, { digest, size }: Descriptor): Promise<void> {
  const facts = await regularFile(path);
  if (facts.size !== size) throw invalid(`${digest} has ${facts.size} bytes, not ${size}`);
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  const found = hash.digest('hex');
  if (found !== hexOf(digest)) throw invalid(`${digest} is damaged: its digest is ${found}`);
}

async function readDocument(path: string): Promise<string> {
  const { size } = await regularFile(path);
  if (size > maxDocumentBytes) throw invalid(`a document of it has more than ${maxDocumentBytes} bytes`);
  return readFile(path, 'utf8');
}

/** A link could name any file of this machine. */
async function regularFile(path: string): Promise<{ size: number }> {
  const facts = await lstat(path).catch((cause: unknown) => {
    throw new TidepoolError('invalid', `the image cannot be used: ${path} is not there`, { cause });
  });
  if (!facts.isFile()) throw invalid(`${path} is not a file`);
  return facts;
}

function blobPath(folder: string, { digest }: Descriptor): string {
  return join(folder, 'blobs', 'sha256', hexOf(digest));
}

function hexOf(digest: string): string {
  return digest.slice(digest.indexOf(':') + 1);
}

function invalid(problem: string): TidepoolError {
  return new TidepoolError('invalid', `the image cannot be used: ${problem}`);
}
