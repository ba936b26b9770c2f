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
    if (output.length !== 1)
      throw new TidepoolError('internal', `the agent's bundle is ${output.length} files, not one`);
    return { code: main.code, version: createHash('sha256').update(main.code).digest('hex').slice(0, 16) };
  } finally {
    await bundle.close();
  }
}
