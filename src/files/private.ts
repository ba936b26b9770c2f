import { chmod, stat } from 'node:fs/promises';
import { absent } from './durable.ts';

/**
 * Takes a file or folder away from everybody but its owner. Returns whether others had a right to it. One that is not there is no
 * error. Errors: those of the file system, such as that it belongs to somebody else.
 */
export async function narrow(path: string): Promise<boolean> {
  const facts = await stat(path).catch(absent);
  if (facts === undefined || (facts.mode & 0o077) === 0) return false;
  await chmod(path, facts.mode & 0o700);
  return true;
}
