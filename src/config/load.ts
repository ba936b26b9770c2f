import { readFile } from 'node:fs/promises';
import { TidepoolError } from '../domain/errors.ts';
import { fileTrouble } from '../domain/file-trouble.ts';
import { issuesOf } from '../protocol/issues.ts';
import { type Config, configSchema } from './schema.ts';

/**
 * Reads a configuration file, checks it, and lays the command line's settings over it, which are checked already.
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
  // The file is right or wrong by itself, whatever the command line says.
  const parsed = configSchema.safeParse(fromFile);
  if (parsed.success) return { ...parsed.data, ...overrides };
  throw new TidepoolError('invalid', `the configuration ${path} is not right:\n${issuesOf(parsed.error)}`);
}

async function readJson(path: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new TidepoolError('invalid', `the configuration ${path} cannot be read: ${fileTrouble(cause)}`, { cause });
  }
  try {
    // Some editors begin every file with a byte order mark.
    return JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (cause) {
    throw new TidepoolError('invalid', `the configuration ${path} is not JSON: ${(cause as Error).message}`, { cause });
  }
}
