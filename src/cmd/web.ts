import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { toTidepoolError } from '../domain/errors.ts';
import type { Site } from '../http/site.ts';
import { cachedSite } from '../site/cache.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The dashboard; built when it is missing or its source has changed. A server without one is a server all the same. */
export async function ensureSite(cacheDir: string, log: (line: string) => void): Promise<Site> {
  try {
    return { folder: await cachedSite(root, cacheDir, () => log('building the dashboard (once)')) };
  } catch (error) {
    const problem = toTidepoolError(error).message;
    log(`${join(root, 'src/web')}: ${problem}`);
    return { problem };
  }
}
