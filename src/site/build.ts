import { createHash } from 'node:crypto';
import { globSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { rolldown } from 'rolldown';
import { TidepoolError } from '../domain/errors.ts';

/** A file that browsers load. Those below `assets/` have their content's hash in the name and never change. */
export interface BuiltFile {
  /** `index.html`, `assets/main-1a2b3c4d.js`. */
  readonly path: string;
  readonly content: Uint8Array;
}

/**
 * Builds the dashboard: scripts as ECMAScript modules in chunks, all style sheets as one, and the page that loads them.
 * @param webDir with `index.html`, `main.tsx` and `styles/`
 * Errors: `internal` when the source is wrong; the message says where.
 */
export async function buildSite(webDir: string): Promise<BuiltFile[]> {
  const scripts = await bundle(join(webDir, 'main.tsx'));
  const style = await styleSheet(join(webDir, 'styles'));
  const main = scripts.find(({ isMain }) => isMain);
  if (main === undefined) throw new TidepoolError('internal', 'the dashboard was built without its main file');
  const template = await readFile(join(webDir, 'index.html'), 'utf8');
  const preloads = main.imports.map((path) => `<link rel="modulepreload" href="/${path}">`);
  const page = template
    .replace('<!--style-->', `<link rel="stylesheet" href="/${style.path}">`)
    .replace('<!--script-->', [`<script type="module" src="/${main.path}"></script>`, ...preloads].join('\n    '));
  const icon = { path: 'icon.svg', content: await readFile(join(webDir, 'icon.svg')) };
  return [{ path: 'index.html', content: Buffer.from(page) }, icon, style, ...scripts];
}

async function bundle(mainPath: string) {
  try {
    const bundler = await rolldown({
      input: resolve(mainPath),
      // Names of chunks have a hash of paths from here.
      cwd: dirname(resolve(mainPath)),
      platform: 'browser',
      logLevel: 'silent',
      transform: { jsx: 'react-jsx', define: { 'process.env.NODE_ENV': '"production"' } },
    });
    await using _ = { [Symbol.asyncDispose]: () => bundler.close() };
    const { output } = await bundler.generate({
      format: 'esm',
      minify: true,
      entryFileNames: 'assets/[name]-[hash].js',
      chunkFileNames: 'assets/[name]-[hash].js',
    });
    return output.flatMap((part) => {
      if (part.type !== 'chunk') return [];
      const { fileName: path, code, isEntry: isMain, imports } = part;
      return [{ path, content: Buffer.from(code), isMain, imports }];
    });
  } catch (cause) {
    throw new TidepoolError('internal', `the dashboard cannot be built: ${String(cause)}`, { cause });
  }
}

/** The style sheets one after the other, by name, without comments and indentation. */
async function styleSheet(folder: string): Promise<BuiltFile> {
  const names = globSync('*.css', { cwd: folder }).sort();
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
  const content = texts
    .join('\n')
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/\n\s*/g, '\n');
  const hash = createHash('sha256').update(content).digest('base64url').slice(0, 8);
  return { path: `assets/style-${hash}.css`, content: Buffer.from(content) };
}
