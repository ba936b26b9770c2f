import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TidepoolError } from '../domain/errors.ts';
import { writeFileDurably } from '../files/durable.ts';

/** A token that we make has 43 characters; an administrator may have chosen another one that is as hard to guess. */
const shape = /^[\x21-\x7e]{32,512}$/;

function tokenPath(dataDir: string): string {
  return join(dataDir, 'admin.token');
}

/**
 * The administrator's token of a data folder, made at the first start; only the owner can read the file. A file that is
 * empty, cut off or otherwise no token, as a power cut may leave it, is never taken for one: a new token replaces it.
 */
export async function adminToken(dataDir: string, log: (message: string) => void): Promise<string> {
  const known = await tokenFile(dataDir);
  if (known !== undefined && shape.test(known)) return known;
  const made = randomBytes(32).toString('base64url');
  await writeFileDurably(tokenPath(dataDir), `${made}\n`);
  if (known !== undefined) log(`${tokenPath(dataDir)} was empty or damaged, so a new admin token has been made`);
  return made;
}

/** Time between two looks at the file while a server runs, in milliseconds. */
export const tokenLookEveryMs = 5_000;

/**
 * Returns the look of a running server at its token's file: one that two looks find gone, empty or damaged is written again with
 * the token that counts, since commands and backups need it. (One look may meet an editor that has just emptied it to write.)
 */
export function tokenKeeper(dataDir: string, token: string, log: (message: string) => void): () => Promise<void> {
  let wasWrong = false;
  return async () => {
    const found = await tokenFile(dataDir);
    let isWrong = found === undefined || !shape.test(found);
    if (isWrong && wasWrong) {
      await writeFileDurably(tokenPath(dataDir), `${token}\n`).catch((cause: NodeJS.ErrnoException) => {
        // Not the cause's own words: they name another draft each time, and the log counts what repeats itself.
        const why = cause.code ?? cause.message;
        throw new TidepoolError('unavailable', `${tokenPath(dataDir)} cannot be written again (${why})`, { cause });
      });
      const what = found === undefined ? 'gone' : 'empty or damaged';
      isWrong = false;
      log(`${tokenPath(dataDir)} was ${what}; the admin token has been written into it again`);
    }
    wasWrong = isWrong;
  };
}

/** The token of a data folder, for commands. Error: `unauthenticated` when the file cannot be read or has no token. */
export async function readAdminToken(dataDir: string): Promise<string> {
  const path = tokenPath(dataDir);
  let token: string | undefined;
  try {
    token = await tokenFile(dataDir);
  } catch (cause) {
    throw new TidepoolError('unauthenticated', `${path} cannot be read; set TIDEPOOL_URL and TIDEPOOL_TOKEN instead`, {
      cause,
    });
  }
  if (token !== undefined && shape.test(token)) return token;
  throw new TidepoolError(
    'unauthenticated',
    `${path} has no token in it; a server that runs writes it again within ${(2 * tokenLookEveryMs) / 1_000} s`,
  );
}

/** Undefined when there is no file. */
async function tokenFile(dataDir: string): Promise<string | undefined> {
  try {
    return (await readFile(tokenPath(dataDir), 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
