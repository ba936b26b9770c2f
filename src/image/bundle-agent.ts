import { createHash } from 'node:crypto';
import { rolldown } from 'rolldown';
import { TidepoolError } from '../domain/errors.ts';

/** The agent as one file. */
export interface AgentBundle {
  readonly code: string;
  /** Content hash of the code, 16 hex digits. */
  readonly version: string;
}

/** Bundles the agent's main file and all that it imports into one ECMAScript module for Node. */
export async function bundleAgent(mainPath: string): Promise<AgentBundle> {
  const bundle = await rolldown({ input: mainPath, platform: 'node', logLevel: 'silent' });
  try {
    const { output } = await bundle.generate({ format: 'esm', codeSplitting: false, minify: false });
    const [main] = output;
    if (output.length !== 1) {
      throw new TidepoolError('internal', `the agent's bundle is ${output.length} files, not one`);
    }
    const code = loadBuiltinsDirectly(main.code);
    return { code, version: createHash('sha256').update(code).digest('hex').slice(0, 16) };
  } finally {
    await bundle.close();
  }
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
