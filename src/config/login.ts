import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { stateDir } from './paths.ts';

/** Where `tidepool login` has signed in, and by what; only its owner can read it. */
export interface Login {
  readonly url: string;
  /** The secret of the session. */
  readonly token: string;
}

function loginPath(): string {
  return join(stateDir(), 'login.json');
}

/** The present one; undefined when there is none. */
export async function readLogin(): Promise<Login | undefined> {
  let text: string;
  try {
    text = await readFile(loginPath(), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const { url, token } = JSON.parse(text) as Partial<Login>;
  return typeof url === 'string' && typeof token === 'string' ? { url, token } : undefined;
}

/** Replaces it as a whole, so that a command that runs beside this one reads the old or the new. */
export async function writeLogin({ url, token }: Login): Promise<void> {
  const path = loginPath();
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const next = `${path}.${process.pid}`;
  await writeFile(next, JSON.stringify({ url, token }), { mode: 0o600 });
  await rename(next, path);
}

/** Forgets it. */
export async function removeLogin(): Promise<void> {
  await rm(loginPath(), { force: true });
}
