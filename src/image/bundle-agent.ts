import { createHash } from 'node:crypto';
import { globSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { rolldown } from 'rolldown';
import { TidepoolError } from '../domain/errors.ts';
import type { GuestFile } from './guest-files.ts';

/** The agent as one file, and what it hands to containers. */
export interface AgentBundle {
  readonly code: string;
  /** The Python package that containers of services use, as `opt/tidepool/python/...`. */
  readonly files: readonly GuestFile[];
  /** Content hash of all that, 16 hex digits. */
  readonly version: string;
}

/**
 * Bundles the agent's main file and all that it imports into one ECMAScript module for Node, and reads the folder `python`
 * beside it, which may be missing.
 */
export async function bundleAgent(mainPath: string): Promise<AgentBundle> {
  // The bundle names its modules by their paths from here; from the folder of the caller they would make other versions.
  const input = resolve(mainPath);
  const bundle = await rolldown({ input, cwd: dirname(input), platform: 'node', logLevel: 'silent' });
  try {
    const { output } = await bundle.generate({ format: 'esm', codeSplitting: false, minify: false });
    const [main] = output;
    if (output.length !== 1) {
      throw new TidepoolError('internal', `the agent's bundle is ${output.length} files, not one`);
    }
    const code = loadBuiltinsDirectly(main.code);
    const files = await readPython(join(dirname(mainPath), 'python'));
    const version = createHash('sha256').update(code).update(JSON.stringify(files)).digest('hex').slice(0, 16);
    return { code, files, version };
  } finally {
    await bundle.close();
  }
}

/** Its modules, without their tests. */
async function readPython(folder: string): Promise<GuestFile[]> {
  const names = globSync('**/*.py', { cwd: folder }).filter((name) => !/(^|\/)test_[^/]*$/.test(name));
  return Promise.all(
    names.sort().map(async (name) => {
      const content = await readFile(join(folder, name), 'utf8');
      return { path: join('opt/tidepool/python', name), mode: 0o644, content };
    }),
  );
}

/**
 * Replaces imports of Node's modules by calls of `process.getBuiltinModule`. An import of `node:http` reads every
 * export of it, and one of them loads all of undici: 20 ms on a CPU of its own, 0.4 s on an emulated one, at every boot.
 */
export function loadBuiltinsDirectly(code: string): string {
  return code.replace(
    /^import (?:(?:\* as )?(\w+)(?:, )?)?(?:\{([^}]*)\})? ?from "(node:[\w/]+)";$/gm,
    (_statement, whole: string | undefined, named: string | undefined, module: string) => {
      const load = `process.getBuiltinModule("${module}")`;
      const lines: string[] = [];
      if (whole !== undefined) lines.push(`const ${whole} = ${load};`);
      if (named !== undefined) lines.push(`const {${named.replaceAll(' as ', ': ')}} = ${load};`);
      return lines.join(' ');
    },
  );
}
