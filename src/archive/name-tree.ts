interface Folder {
  /** By folded name. */
  readonly children: Map<string, { readonly name: string; readonly folder: Folder | null }>;
}

/**
 * The names of an archive as a tree, which finds those that would be one file on some system: the same name twice, names
 * that differ in case or in how letters are composed, a file where there is a folder.
 */
export class NameTree {
  readonly files = new Set<string>();
  folders = 0;
  readonly #root: Folder = { children: new Map() };

  /** Adds a file, or with a slash at the end a folder. Gives what is wrong with it, or undefined. */
  add(path: string): string | undefined {
    const isFolder = path.endsWith('/');
    const parts = (isFolder ? path.slice(0, -1) : path).split('/');
    let folder = this.#root;
    for (const [depth, name] of parts.entries()) {
      const isFile = depth === parts.length - 1 && !isFolder;
      const shown = JSON.stringify(parts.slice(0, depth + 1).join('/'));
      const known = folder.children.get(folded(name));
      if (known === undefined) {
        folder = this.#enter(folder, name, isFile);
        continue;
      }
      if (known.name !== name)
        return `two names that are one on other systems: ${shown} and ${JSON.stringify(known.name)}`;
      if (isFile && known.folder === null) return `two files named ${shown}`;
      if (isFile || known.folder === null) return `${shown} both as a file and as a folder`;
      folder = known.folder;
    }
    if (!isFolder) this.files.add(path);
    return undefined;
  }

  #enter(parent: Folder, name: string, isFile: boolean): Folder {
    const folder: Folder = { children: new Map() };
    parent.children.set(folded(name), { name, folder: isFile ? null : folder });
    if (!isFile) this.folders += 1;
    return folder;
  }
}

/** As file systems that do not tell case apart compare names, nearly enough. */
function folded(name: string): string {
  return name.normalize('NFKC').toUpperCase().toLowerCase();
}
