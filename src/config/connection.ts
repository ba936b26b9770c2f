import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { hasCode, TidepoolError } from '../domain/errors.ts';
import { readJson, writeFileDurably } from '../files/durable.ts';
import { readProcess } from '../processes/process-table.ts';
import { readAdminToken } from './admin-token.ts';
import { readLogin } from './login.ts';
import { defaultDataDir, namedDataDir, stateDir } from './paths.ts';

/**
 * How commands find the server on the same machine: each server writes a note into a folder of its user's, with its
 * address and data folder (where `admin.token` is), and removes it when it ends. The note of a server that was killed, or that the
 * machine took along when it went down, counts for nothing, also when its number is that of another process by now.
 */
const noteSchema = z.object({
  url: z.string(),
  pid: z.int().positive(),
  /** Of this process; servers of before did not say it. */
  startTicks: z.string().optional(),
  /** Of the machine: process ids and ticks begin anew with each boot. */
  bootId: z.string().optional(),
  dataDir: z.string(),
});
type ServerNote = z.output<typeof noteSchema>;

function noteDir(): string {
  return join(stateDir(), 'servers');
}

/** Leaves this server's note, and removes those of servers that are gone; the returned function removes it. */
export async function announceServer(server: Pick<ServerNote, 'url' | 'dataDir'>): Promise<() => Promise<void>> {
  await mkdir(noteDir(), { recursive: true, mode: 0o700 });
  await removeDeadNotes();
  const path = join(noteDir(), `${process.pid}.json`);
  const startTicks = (await readProcess(process.pid))?.startTicks;
  const note: ServerNote = { ...server, pid: process.pid, startTicks, bootId: await bootId() };
  await writeFileDurably(path, JSON.stringify(note));
  return () => rm(path, { force: true });
}

/**
 * Finds the server that is meant. It is that of TIDEPOOL_URL and TIDEPOOL_TOKEN when they are set; else that of the data folder which
 * is named here or by TIDEPOOL_DATA_DIR; else the one where `tidepool login` has signed in; else that of the usual data folder, or
 * the only one that runs.
 * Errors: `unavailable` when none runs, `invalid` when it is not clear which one is meant.
 */
export async function findServer(dataDir: string | undefined): Promise<{ url: string; token: string }> {
  const { TIDEPOOL_URL: url, TIDEPOOL_TOKEN: token } = process.env;
  if (url !== undefined && url !== '') {
    if (!/^https?:\/\//.test(url)) throw new TidepoolError('invalid', `TIDEPOOL_URL is not an http address: ${url}`);
    if (token === undefined || token === '')
      throw new TidepoolError('invalid', 'TIDEPOOL_URL is set, TIDEPOOL_TOKEN is not');
    return { url: url.replace(/\/+$/, ''), token };
  }
  const login = namedDataDir(dataDir) === undefined ? await readLogin() : undefined;
  if (login !== undefined) return login;
  const note = chooseServer(await runningServers(), dataDir);
  return { url: note.url, token: await readAdminToken(note.dataDir) };
}

/** The address of the server on this machine that is meant, as `findServer` chooses. */
export async function findLocalUrl(dataDir: string | undefined): Promise<string> {
  return chooseServer(await runningServers(), dataDir).url;
}

/** Finds the server as `findServer` does; undefined when it does not run. Error: `invalid` as there. */
export async function findRunning(dataDir: string | undefined): Promise<{ url: string; token: string } | undefined> {
  return findServer(dataDir).catch((error: unknown) => {
    if (!hasCode(error, 'unavailable')) throw error;
    return undefined;
  });
}

function chooseServer(running: readonly ServerNote[], option: string | undefined): ServerNote {
  const named = namedDataDir(option);
  const dataDir = resolve(named ?? defaultDataDir());
  const wanted = running.find((note) => note.dataDir === dataDir);
  if (wanted !== undefined) return wanted;
  // A folder that somebody names is the one that is meant: another server that runs is not it.
  if (named !== undefined)
    throw new TidepoolError('unavailable', `no server runs on the data folder ${dataDir}; start it with: npm start`);
  const [only, ...others] = running;
  if (only === undefined) throw new TidepoolError('unavailable', 'no server runs here; start one with: npm start');
  if (others.length === 0) return only;
  const folders = running.map((note) => note.dataDir).join(', ');
  throw new TidepoolError('invalid', `several servers run here; choose one by --data-dir: ${folders}`);
}

async function runningServers(): Promise<ServerNote[]> {
  const names = (await readdir(noteDir()).catch(() => [])).filter((name) => name.endsWith('.json'));
  const notes = await Promise.all(names.map(async (name) => liveNote(await readNote(join(noteDir(), name)))));
  return notes.filter((note) => note !== undefined);
}

/** Notes that cannot be understood go too, and drafts of notes whose writer is gone. */
async function removeDeadNotes(): Promise<void> {
  for (const name of await readdir(noteDir())) {
    const path = join(noteDir(), name);
    const isLive = name.endsWith('.json')
      ? (await liveNote(await readNote(path))) !== undefined
      : (await readProcess(Number.parseInt(name, 10))) !== undefined;
    if (!isLive) await rm(path, { force: true, recursive: true });
  }
}

/** Undefined for a file that is being removed, or that a power cut has left empty. */
async function readNote(path: string): Promise<ServerNote | undefined> {
  return noteSchema.safeParse(await readJson(path)).data;
}

/** The note, if its server runs. */
async function liveNote(note: ServerNote | undefined): Promise<ServerNote | undefined> {
  if (note === undefined) return undefined;
  const found = await readProcess(note.pid);
  if (found === undefined) return undefined;
  // A server of before an upgrade, which may still run, did not say when it began.
  if (note.startTicks === undefined) return found.words.includes('serve') ? note : undefined;
  return found.startTicks === note.startTicks && note.bootId === (await bootId()) ? note : undefined;
}

/** A name that the kernel makes at each boot. */
async function bootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
}
