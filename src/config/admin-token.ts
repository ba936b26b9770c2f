import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The administrator's token of a data folder, made at the first start; only the owner can read the file. */
export async function adminToken(dataDir: string): Promise<string> {
  const path = join(dataDir, 'admin.token');
  const made = randomBytes(32).toString('base64url');
  try {
    await writeFile(path, `${made}\n`, { flag: 'wx', mode: 0o600 });
    return made;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return (await readFile(path, 'utf8')).trim();
  }
}
