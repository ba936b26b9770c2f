import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Files of a machine that is being made have no domain yet. */
const settledMs = 600_000;

/** What machines may leave in their folder: storage.ts and secrets.ts. */
const fileOfMachine = /^([a-zA-Z0-9][a-zA-Z0-9-]{0,39})\.(?:qcow2|secrets)$/;

/**
 * Names of machines whose files are in the folder although nobody has touched them for ten minutes. Whether there is a domain
 * of that name is for the caller to ask. A folder that is not there has none.
 * @param nowMs wall-clock time, as files are stamped with it
 */
export async function namesOfOldFiles(folder: string, nowMs: number): Promise<Set<string>> {
  const names = new Set<string>();
  for (const file of await readdir(folder)) {
    const name = fileOfMachine.exec(file)?.[1];
    if (name === undefined) continue;
    const changedAtMs = await changeOf(join(folder, file));
    if (changedAtMs !== undefined && nowMs - changedAtMs >= settledMs) names.add(name);
  }
  return names;
}

async function changeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).mtimeMs;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
