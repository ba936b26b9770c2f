import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, glob, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freePort } from '../../test/support/free-port.ts';
import { temporaryFolder } from '../../test/support/server.ts';

const run = promisify(execFile);
const limitMs = 60_000;

/** A PostgreSQL server of our own. */
export interface Postgres extends AsyncDisposable {
  /** For `pg`: a new database each time. */
  newDatabase(): Promise<string>;
}

/**
 * Debian's PostgreSQL with its defaults (durable: fsync and synchronous_commit are on), in a folder of its own, on a
 * free port and a unix socket. It refuses to be root, so there it runs as the user that its package made.
 */
export async function startPostgres(): Promise<Postgres> {
  const folder = await temporaryFolder('bench-postgres');
  const user = await serverUser();
  const data = join(folder.path, 'data');
  await mkdir(data);
  for (const path of user === undefined ? [] : [folder.path, data]) await chown(path, user?.uid ?? 0, user?.gid ?? 0);
  const bin = await programs();
  const port = await freePort();
  const options = { ...user, cwd: folder.path };
  await run(join(bin, 'initdb'), ['-D', data, '-U', 'bench', '-A', 'trust', '--locale', 'C.UTF-8'], options);
  const listen = ['-p', String(port), '-k', folder.path, '-c', 'listen_addresses=127.0.0.1'];
  const server = spawn(join(bin, 'postgres'), ['-D', data, ...listen], { ...options, stdio: 'ignore' });
  const exited = once(server, 'exit');
  const sql = (statement: string): Promise<unknown> =>
    run(join(bin, 'psql'), ['-h', folder.path, '-p', String(port), '-U', 'bench', '-d', 'postgres', '-c', statement]);
  const stop = async (): Promise<void> => {
    // SIGINT is its "fast shutdown"; after a while it is not asked any more.
    server.kill('SIGINT');
    const timer = setTimeout(() => server.kill('SIGQUIT'), limitMs);
    await exited;
    clearTimeout(timer);
    await folder.remove();
  };
  try {
    await ready(sql);
  } catch (error) {
    await stop();
    throw error;
  }
  let databases = 0;
  return {
    async newDatabase() {
      databases += 1;
      await sql(`create database bench${databases}`);
      return `postgres://bench@/bench${databases}?host=${encodeURIComponent(folder.path)}&port=${port}`;
    },
    [Symbol.asyncDispose]: stop,
  };
}

async function ready(sql: (statement: string) => Promise<unknown>): Promise<void> {
  const giveUpAtMs = performance.now() + limitMs;
  for (;;) {
    try {
      await sql('select 1');
      return;
    } catch (error) {
      if (performance.now() > giveUpAtMs) throw error;
      await sleep(50);
    }
  }
}

async function serverUser(): Promise<{ uid: number; gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const id = async (flag: string): Promise<number> => Number((await run('id', [flag, 'postgres'])).stdout);
  return { uid: await id('-u'), gid: await id('-g') };
}

/** The newest version's programs; Debian keeps them out of the PATH. */
async function programs(): Promise<string> {
  const found: string[] = [];
  for await (const path of glob('/usr/lib/postgresql/*/bin')) found.push(path);
  const newest = found.sort((a, b) => a.localeCompare(b, undefined, { numeric: true })).at(-1);
  if (newest === undefined) throw new Error('there is no PostgreSQL in /usr/lib/postgresql');
  return newest;
}
