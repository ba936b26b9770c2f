import { readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { TidepoolError } from '../domain/errors.ts';
import { makeFolder, writeFileDurably } from '../files/durable.ts';
import { narrow } from '../files/private.ts';
import { stateDir } from './paths.ts';

const loginSchema = z.object({ url: z.string(), token: z.string() });

/**
 * Where `tidepool login` has signed in, and the secret of the session; only its owner can read the file.
 */
export type Login = z.output<typeof loginSchema>;

function loginPath(): string {
  return join(stateDir(), 'login.json');
}

/** The present one; undefined when there is none. */
export async function readLogin(): Promise<Login | undefined> {
  let text: string;
  try {
    text = await readFile(loginPath(), 'utf8');
    await narrow(loginPath());
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return loginSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new TidepoolError('invalid', `${loginPath()} is not what \`tidepool login\` wrote; delete it`, { cause });
  }
}

/** Replaces it as a whole, so that a command that runs beside this one reads the old or the new. */
export async function writeLogin({ url, token }: Login): Promise<void> {
  const path = loginPath();
  await makeFolder(dirname(path));
  await writeFileDurably(path, JSON.stringify({ url, token }));
}

/** Forgets it. */
export async function removeLogin(): Promise<void> {
  await rm(loginPath(), { force: true });
}
