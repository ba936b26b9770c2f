import type { Content, LayerTree, Node } from './layer-tree.ts';
import { type Layer, wantedEntries } from './layers.ts';
import { tarEnd, tarHeader, tarPadding } from './tar-writer.ts';

/** Folders that a container mounts something on: they are there, and no links. */
const mountPoints = ['dev', 'proc', 'run', 'sys', 'tmp', 'work', 'etc'];
/** Files that a container engine would put in at a start. */
const madeFiles: Readonly<Record<string, string>> = {
  'etc/hosts': '127.0.0.1 localhost\n::1 localhost\n',
  'etc/resolv.conf': '',
};

/**
 * The file system of a tree as one tar archive: first folders and links, then each file's content as it comes in the
 * layers, so that every layer is read once more and nothing is kept.
 */
export async function* mergedTar(tree: LayerTree, layers: readonly Layer[]): AsyncGenerator<Uint8Array> {
  for (const path of mountPoints) tree.makeFolder(path);
  for (const path of Object.keys(madeFiles)) tree.remove(path);
  const files = new Map<Content, { paths: string[]; isProgram: boolean; mtimeMs: number }>();
  for (const { path, node } of walk(tree.root, '')) {
    if (node.kind === 'file') {
      const known = files.get(node.content);
      if (known === undefined) files.set(node.content, { ...node, paths: [path] });
      else known.paths.push(path);
    } else if (node.kind === 'link') {
      yield tarHeader({
        path,
        type: 'SymbolicLink',
        linkpath: node.target,
        mode: 0o777,
        size: 0,
        mtime: time(node.mtimeMs),
      });
    } else {
      yield tarHeader({
        path: `${path}/`,
        type: 'Directory',
        mode: path === 'tmp' ? 0o1777 : 0o755,
        size: 0,
        mtime: time(0),
      });
    }
  }
  for (const [path, text] of Object.entries(madeFiles)) yield* file(path, text);
  for (const [number, layer] of layers.entries()) {
    const wanted = new Map([...files.keys()].filter((one) => one.layer === number).map((one) => [one.entry, one]));
    for await (const { index, entry } of wantedEntries(layer, wanted)) {
      const content = wanted.get(index);
      const one = content === undefined ? undefined : files.get(content);
      const [first, ...others] = one?.paths ?? [];
      if (one === undefined || first === undefined) continue;
      const facts = { mode: one.isProgram ? 0o755 : 0o644, mtime: time(one.mtimeMs) };
      yield tarHeader({ path: first, type: 'File', size: entry.sizeBytes, ...facts });
      yield* entry.content();
      yield tarPadding(entry.sizeBytes);
      for (const path of others) yield tarHeader({ path, type: 'Link', linkpath: first, size: 0, ...facts });
    }
  }
  yield tarEnd();
}

function* walk(folder: Extract<Node, { kind: 'folder' }>, parent: string): Generator<{ path: string; node: Node }> {
  for (const [name, node] of folder.children) {
    const path = parent === '' ? name : `${parent}/${name}`;
    yield { path, node };
    if (node.kind === 'folder') yield* walk(node, path);
  }
}

function* file(path: string, text: string): Generator<Uint8Array> {
  const content = Buffer.from(text);
  yield tarHeader({ path, type: 'File', mode: 0o644, size: content.length, mtime: time(0) });
  yield content;
  yield tarPadding(content.length);
}

/** The old fields hold 33 bits of seconds, none below 0. */
function time(ms: number): Date {
  return new Date(Number.isFinite(ms) ? Math.min(Math.max(0, ms), (2 ** 33 - 1) * 1_000) : 0);
}
