import { TidepoolError } from '../../domain/errors.ts';
import type { TarEntry } from './tar-reader.ts';

/** Bytes that one entry of one layer holds. Several files have the same when they are hard links. */
export interface Content {
  readonly layer: number;
  /** Counts the layer's entries from 0. */
  readonly entry: number;
  readonly sizeBytes: number;
}

interface FileNode {
  readonly kind: 'file';
  readonly layer: number;
  readonly isProgram: boolean;
  readonly mtimeMs: number;
  readonly content: Content;
}

interface LinkNode {
  readonly kind: 'link';
  readonly layer: number;
  readonly target: string;
  readonly mtimeMs: number;
}

interface FolderNode {
  readonly kind: 'folder';
  /** The last layer that has an entry for it. */
  layer: number;
  readonly children: Map<string, Node>;
}

export type Node = FileNode | LinkNode | FolderNode;

export interface TreeLimits {
  /** Entries of all layers together, and folders that they need. */
  readonly maxEntries: number;
}

const whiteout = '.wh.';
const opaqueWhiteout = '.wh..wh..opq';
/** These three are Linux's. */
const maxNameBytes = 255;
const maxPathBytes = 4096;
const maxLinks = 40;
const maxDepth = 128;
/** Of all names and targets of links together: real images have a tenth of it. */
const maxTextBytes = 128 * 1024 ** 2;

/**
 * A root file system as it comes of an image's layers (OCI image specification, "Applying Changesets"), in memory: names,
 * kinds and links, and where the content of each file is. No path of a layer ever touches a file system, so what it says
 * of `..`, links and places outside can at worst be wrong inside the tree.
 *
 * Of modes only "may be run" is kept: setuid bits are dropped, and who runs the image may read all of it. Devices and
 * pipes are left out.
 */
export class LayerTree {
  readonly root: FolderNode = { kind: 'folder', layer: 0, children: new Map() };
  readonly #limits: TreeLimits;
  #layer = -1;
  #entry = -1;
  #entries = 0;
  #textBytes = 0;

  constructor(limits: TreeLimits) {
    this.#limits = limits;
  }

  /** The entries from here on are the next layer's. */
  beginLayer(): void {
    this.#layer += 1;
    this.#entry = -1;
  }

  /** Takes up the layer's next entry. Errors: `invalid`, `too_large` (too many entries, too deep). */
  add(entry: Omit<TarEntry, 'content'>): void {
    this.#entry += 1;
    this.#count(entry.path.length + entry.link.length);
    if (Buffer.byteLength(entry.link) >= maxPathBytes) throw invalid('the target of a link is too long');
    const names = splitPath(entry.path);
    const name = names.pop();
    if (name === undefined) return; // The root itself.
    if (name === opaqueWhiteout) {
      const folder = this.#folder(names, 'find');
      if (folder !== undefined) this.#clearLower(folder);
    } else if (name.startsWith(whiteout)) {
      const folder = this.#folder(names, 'find');
      if (folder !== undefined) this.#removeLower(folder, name.slice(whiteout.length));
    } else {
      this.#put(names, name, entry);
    }
  }

  /** The file, link or folder at a path, links on the way followed; undefined when there is none. */
  find(path: string): Node | undefined {
    const names = splitPath(path);
    const name = names.pop();
    if (name === undefined) return this.root;
    return this.#folder(names, 'find')?.children.get(name);
  }

  /** Makes a folder of a path where there is none, in place of whatever has its name. */
  makeFolder(path: string): FolderNode {
    let folder = this.root;
    for (const name of splitPath(path)) {
      const child = folder.children.get(name);
      const next = child?.kind === 'folder' ? child : newFolder(this.#layer);
      folder.children.set(name, next);
      folder = next;
    }
    return folder;
  }

  /** The path of a folder with all links on it followed; the folder is made if it is not there. */
  folderPath(path: string): string {
    const { names } = this.#walk([...splitPath(path)], 'make') ?? { names: [] };
    return `/${names.join('/')}`;
  }

  /** Removes what has this path, if anything. */
  remove(path: string): void {
    const names = splitPath(path);
    const name = names.pop();
    if (name !== undefined) this.#folder(names, 'find')?.children.delete(name);
  }

  #put(names: readonly string[], name: string, entry: Omit<TarEntry, 'content'>): void {
    const { type, mode, mtimeMs, sizeBytes, link } = entry;
    const folder = (): FolderNode => this.#folder(names, 'make');
    switch (type) {
      case 'Directory':
      case 'GNUDumpDir': {
        const known = folder().children.get(name);
        if (known?.kind === 'folder') known.layer = this.#layer;
        else folder().children.set(name, newFolder(this.#layer));
        return;
      }
      case 'File':
      case 'OldFile':
      case 'ContiguousFile': {
        const content = { layer: this.#layer, entry: this.#entry, sizeBytes };
        const isProgram = (mode & 0o111) !== 0;
        folder().children.set(name, { kind: 'file', layer: this.#layer, isProgram, mtimeMs, content });
        return;
      }
      case 'SymbolicLink':
        folder().children.set(name, { kind: 'link', layer: this.#layer, target: link, mtimeMs });
        return;
      case 'Link': {
        const target = this.find(link);
        if (target === undefined || target.kind === 'folder') {
          throw invalid(
            `${JSON.stringify(entry.path)} is a link to ${JSON.stringify(link)}, and that is no file of it`,
          );
        }
        folder().children.set(name, { ...target, layer: this.#layer });
        return;
      }
      default:
      // Devices and pipes: a job has none but those that its container makes.
    }
  }

  #count(textLength: number): void {
    this.#entries += 1;
    this.#textBytes += textLength;
    const { maxEntries } = this.#limits;
    if (this.#entries <= maxEntries && this.#textBytes <= maxTextBytes) return;
    throw new TidepoolError('too_large', `the image has more than ${maxEntries} entries, or names without end`, {
      details: { maxEntries },
    });
  }

  /** A folder by its names. Links are followed as a process inside the root would, so never out of it. */
  #folder(names: readonly string[], missing: 'make'): FolderNode;
  #folder(names: readonly string[], missing: 'find'): FolderNode | undefined;
  #folder(names: readonly string[], missing: 'make' | 'find'): FolderNode | undefined {
    return this.#walk(names, missing)?.folder;
  }

  #walk(names: readonly string[], missing: 'make' | 'find'): { folder: FolderNode; names: string[] } | undefined {
    const path: { folder: FolderNode; name: string }[] = [{ folder: this.root, name: '' }];
    const left = names.toReversed();
    let links = 0;
    for (let name = left.pop(); name !== undefined; name = left.pop()) {
      const folder = path.at(-1)?.folder ?? this.root;
      if (name === '..') {
        if (path.length > 1) path.pop();
        continue;
      }
      let child = folder.children.get(name);
      if (child?.kind === 'link') {
        links += 1;
        if (links > maxLinks) throw invalid(`too many links on the way to ${JSON.stringify(names.join('/'))}`);
        if (child.target.startsWith('/')) path.length = 1;
        left.push(...targetNames(child.target).reverse());
        continue;
      }
      if (child === undefined && missing === 'make') {
        this.#count(0);
        child = newFolder(this.#layer);
        folder.children.set(name, child);
      }
      if (child === undefined) return undefined;
      if (child.kind === 'file') {
        if (missing === 'find') return undefined;
        throw invalid(`${JSON.stringify(names.join('/'))} goes through a file`);
      }
      path.push({ folder: child, name });
      if (path.length > maxDepth) throw new TidepoolError('too_large', `the image has folders deeper than ${maxDepth}`);
    }
    return { folder: path.at(-1)?.folder ?? this.root, names: path.slice(1).map((one) => one.name) };
  }

  /** A whiteout hides what lower layers have, never what its own layer brings, before or after it. */
  #removeLower(folder: FolderNode, name: string): void {
    const child = folder.children.get(name);
    if (child === undefined) return;
    if (child.kind === 'folder') this.#clearLower(child);
    const isEmpty = child.kind !== 'folder' || child.children.size === 0;
    if (isEmpty && child.layer < this.#layer) folder.children.delete(name);
  }

  #clearLower(folder: FolderNode): void {
    for (const name of [...folder.children.keys()]) this.#removeLower(folder, name);
  }
}

function newFolder(layer: number): FolderNode {
  return { kind: 'folder', layer, children: new Map() };
}

/** The names on a path of an archive; a slash at the beginning means nothing. Error: `invalid` (`..`, too long). */
function splitPath(path: string): string[] {
  if (Buffer.byteLength(path) > maxPathBytes) throw invalid(`${JSON.stringify(path.slice(0, 300))}... is too long`);
  const names = path.split('/').filter((name) => name !== '' && name !== '.');
  for (const name of names) {
    if (name === '..') throw invalid(`the path ${JSON.stringify(path)} leads out of it`);
    if (Buffer.byteLength(name) > maxNameBytes || name.includes('\0')) {
      throw invalid(`${JSON.stringify(path.slice(0, 300))} is no path`);
    }
  }
  return names;
}

function targetNames(target: string): string[] {
  return target.split('/').filter((name) => name !== '' && name !== '.');
}

function invalid(problem: string): TidepoolError {
  return new TidepoolError('invalid', `the image cannot be used: ${problem}`);
}
