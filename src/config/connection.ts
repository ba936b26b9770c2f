import { mkdir, readdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { hasCode, TidepoolError } from '../domain/errors.ts';
import { readJson, writeFileDurably } from '../files/durable.ts';
import { readAdminToken } from './admin-token.ts';
import { readLogin } from './login.ts';
import { defaultDataDir, namedDataDir, stateDir } from './paths.ts';

/**
 * How commands find the server on the same machine: each server writes a note into a folder of its user's, with its
 * address and data folder (where `admin.token` is), and removes it when it ends. A note of a dead process is ignored.
 */
const noteSchema = z.object({
  url: z.string(),
  pid: z.int().positive(),
  dataDir: z.string(),
  /** Of its data folder; servers of before did not say it. */
  installationId: z.string().optional(),
});
type ServerNote = z.output<typeof noteSchema>;

function noteDir(): string {
  return join(stateDir(), 'servers');
}

/** Leaves this server's note; the returned function removes it. */
export async function announceServer(server: Omit<ServerNote, 'pid'>): Promise<() => Promise<void>> {
  await mkdir(noteDir(), { recursive: true, mode: 0o700 });
  const path = join(noteDir(), `${process.pid}.json`);
  const note: ServerNote = { ...server, pid: process.pid };
  await writeFileDurably(path, JSON.stringify(note));
  return () => rm(path, { force: true });
}

/**
 * Refuses to start a second server of one installation, such as that of a restored backup beside the original: each would
 * take the other's VMs for its own leftovers. Error: `conflict`.
 */
export async function refuseTwin(installationId: string, dataDir: string): Promise<void> {
  const twin = (await runningServers()).find((note) => note.installationId === installationId);
  if (twin === undefined) return;
  throw new TidepoolError(
    'conflict',
    `${dataDir} is the same installation as ${twin.dataDir}, whose server runs at ${twin.url}; stop that one, or restore ` +
      'the backup with --as-new',
  );
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
  const names = await readdir(noteDir()).catch(() => []);
  const notes = await Promise.all(names.map((name) => readNote(join(noteDir(), name))));
  return notes.filter((note) => note !== undefined && isAlive(note.pid)) as ServerNote[];
}

/** Undefined for a file that is being removed, or that a power cut has left empty. */
async function readNote(path: string): Promise<ServerNote | undefined> {
  return noteSchema.safeParse(await readJson(path)).data;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
