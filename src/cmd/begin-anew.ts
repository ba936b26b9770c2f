import { flushCompileCache, getCompileCacheDir } from 'node:module';

/** Set in the environment of a process that was begun anew, so that it happens once. */
const mark = 'TIDEPOOL_BEGUN_ANEW';

/**
 * Begins this process anew, under the same id, when Node has stripped the types of its source files: the compiler for that
 * takes some 30 MiB, which a process keeps for as long as it runs. What was stripped is in Node's compile cache by then. Returns
 * when there is nothing to gain.
 */
export function beginAnew(): void {
  const isAgain = process.env[mark] !== undefined;
  delete process.env[mark];
  if (isAgain || !hasCompiler() || getCompileCacheDir() === undefined || process.execve === undefined) return;
  flushCompileCache();
  const args = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  process.execve(process.execPath, args, { ...process.env, [mark]: '1' });
}

/** Whether Node has loaded its compiler of TypeScript. */
export function hasCompiler(): boolean {
  const { moduleLoadList } = process as { readonly moduleLoadList?: readonly string[] };
  return moduleLoadList?.some((name) => name.includes('/amaro/')) === true;
}
