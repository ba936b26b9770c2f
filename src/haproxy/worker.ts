import { TidepoolError } from '../domain/errors.ts';
import type { MasterSocket } from './master.ts';
import { type KnownServer, parseServersState, parseStat, type Row } from './tables.ts';

/** What a worker counts. Errors: as of the master socket. */
export async function rowsOf(master: MasterSocket, worker: number): Promise<Row[]> {
  return parseStat(await master.run('show stat', worker));
}

/** The same of several workers, by process id; without those of the leaving ones that have left meanwhile. */
export async function rowsOfAll(
  master: MasterSocket,
  worker: number,
  leaving: readonly number[],
): Promise<Map<number, Row[]>> {
  const rows = new Map([[worker, await rowsOf(master, worker)]]);
  for (const pid of leaving) {
    const answer = await master.run('show stat', pid);
    if (answer !== '' && !answer.startsWith("Can't find the target PID")) rows.set(pid, parseStat(answer));
  }
  return rows;
}

/** The servers that a worker has, also those in maintenance. Errors: as of the master socket. */
export async function serversOf(master: MasterSocket, worker: number): Promise<KnownServer[]> {
  return parseServersState(await master.run('show servers state', worker));
}

/** Has a worker carry out commands that change servers, in their order. Errors: `upstream` when it refuses one. */
export async function carryOut(master: MasterSocket, worker: number, commands: readonly string[]): Promise<void> {
  for (const command of commands) {
    const answer = await master.run(command, worker);
    const isFine = answer === '' || answer === 'New server registered.';
    if (!isFine) throw new TidepoolError('upstream', `HAProxy answers «${answer.slice(0, 200)}» to: ${command}`);
  }
}
