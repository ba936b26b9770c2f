import { readFile } from 'node:fs/promises';
import { prettifyError } from 'zod';
import { TidepoolError } from '../domain/errors.ts';
import { type Config, configSchema } from './schema.ts';

/**
 * Reads a configuration file, lays the command line's settings over it, and checks the whole.
 * Errors: `invalid` with the place and the reason.
 */
export async function loadConfig(
  path: string | undefined,
  overrides: { port?: number; libvirtUri?: string },
): Promise<Config> {
  const fromFile = path === undefined ? {} : await readJson(path);
  if (typeof fromFile !== 'object' || fromFile === null || Array.isArray(fromFile)) {
    throw new TidepoolError('invalid', `the configuration ${path} must be a JSON object`);
  }
  const parsed = configSchema.safeParse({ ...fromFile, ...overrides });
  if (parsed.success) return parsed.data;
  const where = path === undefined ? 'the command line' : `the configuration ${path}`;
  throw new TidepoolError('invalid', `${where} is not right:\n${prettifyError(parsed.error)}`);
}

async function readJson(path: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new TidepoolError('invalid', `the configuration ${path} cannot be read: ${whyNot(cause)}`, { cause });
  }
  try {
    // Some editors begin every file with a byte order mark.
    return JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (cause) {
    throw new TidepoolError('invalid', `the configuration ${path} is not JSON: ${(cause as Error).message}`, { cause });
  }
}

function whyNot(cause: unknown): string {
  const { code = '', message } = cause as NodeJS.ErrnoException;
  const known: Readonly<Record<string, string>> = {
    EISDIR: 'it is a folder, and must be a file',
    ENOENT: 'it is not there',
    EACCES: 'this user may not read it',
  };
  return known[code] ?? message;
}
