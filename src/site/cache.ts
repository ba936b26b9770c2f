import { createHash } from 'node:crypto';
import { globSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import { syncPath, syncTree } from '../files/durable.ts';
import { buildSite } from './build.ts';

/** Builds of earlier versions that are kept, for servers of other checkouts. */
const keptBuilds = 4;

/**
 * The folder of the built dashboard; builds it when the cache has none of this source.
 * A build appears under its name when it is whole, so several servers may build at once.
 * @param root the repository: `src/web`, `src/protocol` and `package-lock.json` are what it is made of
 * @param onBuild called before a build
 */
export async function cachedSite(root: string, cacheDir: string, onBuild: () => void): Promise<string> {
  const folder = join(cacheDir, 'web');
  const id = await sourceHash(root);
  const finished = join(folder, id);
  await mkdir(folder, { recursive: true });
  const builds = await readdir(folder);
  if (builds.includes(id)) return finished;
  onBuild();
  const partial = await mkdtemp(join(folder, 'partial-'));
  try {
    for (const { path, content } of await buildSite(join(root, 'src/web'))) await store(join(partial, path), content);
    await syncTree(partial);
    await rename(partial, finished).catch(async (error: NodeJS.ErrnoException) => {
      // Another server was faster, with the same.
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
    await syncPath(folder);
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
  await removeOldest(
    folder,
    builds.filter((name) => !name.startsWith('partial-')),
  );
  return finished;
}

/** Leaves the builds that were made last, beside the new one. */
async function removeOldest(folder: string, names: readonly string[]): Promise<void> {
  const ages = await Promise.all(
    names.map(async (name) => ({
      name,
      madeMs: (await stat(join(folder, name)).catch(() => undefined))?.mtimeMs ?? 0,
    })),
  );
  ages.sort((a, b) => b.madeMs - a.madeMs);
  for (const { name } of ages.slice(keptBuilds - 1)) await rm(join(folder, name), { recursive: true, force: true });
}

/** The file, and beside it what is sent to browsers that take it compressed. */
async function store(path: string, content: Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
  await writeFile(`${path}.gz`, await promisify(gzip)(content, { level: 9 }));
  // One step below the highest takes a fifth of the time.
  const params = { [constants.BROTLI_PARAM_QUALITY]: 10 };
  await writeFile(`${path}.br`, await promisify(brotliCompress)(content, { params }));
}

async function sourceHash(root: string): Promise<string> {
  const hash = createHash('sha256');
  const inputs = ['src/web/**/*.{ts,tsx,css,html,svg}', 'src/protocol/*.ts', 'src/site/*.ts', 'package-lock.json'];
  const paths = globSync(inputs, { cwd: root }).filter((path) => !path.endsWith('.test.ts'));
  for (const path of paths.sort()) {
    const content = await readFile(join(root, path));
    hash.update(JSON.stringify([path, content.length])).update(content);
  }
  return hash.digest('hex').slice(0, 16);
}
