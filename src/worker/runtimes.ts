import { execFile } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdir, readdir, rename, rm, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { TidepoolError } from '../domain/errors.ts';
import { syncPath } from '../files/durable.ts';
import { ask, download, type ServerAddress, unreachable } from './server.ts';

const run = promisify(execFile);

interface Remote {
  readonly name: string;
  readonly id: string;
  readonly sizeBytes: number;
}

/**
 * The control plane's runtimes on this machine: each a squashfs file that is mounted, or unpacked where that is not possible.
 * A runtime that is here stays as it is until the worker is started again, as in a VM.
 */
export class WorkerRuntimes {
  readonly #server: ServerAddress;
  readonly #folder: string;
  readonly #here = new Set<string>();

  /** @param folder of ours; below it `disks`, `roots`, and `names` with a link for each that is ready */
  constructor(server: ServerAddress, folder: string) {
    this.#server = server;
    this.#folder = folder;
  }

  /** Where each is, by its name. */
  get namesPath(): string {
    return join(this.#folder, 'names');
  }

  /** To be called once, when nothing of an earlier process is mounted any more. */
  async prepare(): Promise<void> {
    await rm(this.namesPath, { recursive: true, force: true });
    for (const part of ['disks', 'roots', 'names'])
      await mkdir(join(this.#folder, part), { recursive: true, mode: 0o755 });
  }

  /** What the server has and this machine has not. Errors: those of `ask`, `upstream`. */
  async missing(): Promise<Remote[]> {
    const response = await ask(this.#server, 'GET', '/api/v1/workers/runtimes');
    const remotes = parseRuntimes(await response.json());
    await this.#drop(remotes);
    return remotes.filter(({ name }) => !this.#here.has(name));
  }

  /** Brings one here. Errors: those of `ask`, `upstream`, `internal` (it can be neither mounted nor unpacked). */
  async bring(remote: Remote): Promise<void> {
    const { name, id } = remote;
    const disk = join(this.#folder, 'disks', `${name}-${id}`);
    const facts = await stat(disk).catch(() => undefined);
    if (facts?.size !== remote.sizeBytes) await this.#download(remote, disk);
    const root = join(this.#folder, 'roots', `${name}-${id}`);
    await mkdir(root, { recursive: true, mode: 0o755 });
    if ((await readdir(root)).length === 0) await attach(disk, root);
    await symlink(root, join(this.namesPath, name));
    this.#here.add(name);
  }

  async #download({ name, id, sizeBytes }: Remote, disk: string): Promise<void> {
    const part = `${disk}.part`;
    const response = await download(this.#server, `/api/v1/workers/runtimes/${name}/${id}`);
    if (response.body === null) throw new TidepoolError('upstream', `the server sent nothing of the runtime ${name}`);
    try {
      await pipeline(response.body, createWriteStream(part));
    } catch (cause) {
      if (isOfDisk(cause))
        throw new TidepoolError('internal', `${part} cannot be written: ${cause.message}`, { cause });
      throw unreachable(this.#server.url, cause);
    }
    const { size } = await stat(part);
    if (size !== sizeBytes)
      throw new TidepoolError('upstream', `the runtime ${name} has ${size} bytes, not ${sizeBytes}`);
    await syncPath(part);
    await rename(part, disk);
  }

  /** Removes what the server has no more and what is not in use. */
  async #drop(remotes: readonly Remote[]): Promise<void> {
    const wanted = new Set(remotes.map(({ name, id }) => `${name}-${id}`));
    for (const part of ['disks', 'roots']) {
      for (const file of await readdir(join(this.#folder, part))) {
        if (wanted.has(file) || this.#here.has(file.replace(/-[^-]*$/, ''))) continue;
        await rm(join(this.#folder, part, file), { recursive: true, force: true });
      }
    }
  }
}

function isOfDisk(cause: unknown): cause is Error {
  return cause instanceof Error && 'syscall' in cause && ['open', 'write'].includes(String(cause.syscall));
}

/** A mount costs no disk and no time; it needs a loop device, which containers seldom have. */
async function attach(disk: string, root: string): Promise<void> {
  try {
    await run('mount', ['-t', 'squashfs', '-o', 'loop,ro,nodev,nosuid', disk, root]);
  } catch (mounting) {
    const unpacked = `${root}.new`;
    await rm(unpacked, { recursive: true, force: true });
    try {
      await run('unsquashfs', ['-quiet', '-no-progress', '-no-xattrs', '-d', unpacked, disk]);
    } catch (cause) {
      const text = `the runtime ${root} can be neither mounted (${String(mounting)}) nor unpacked (${String(cause)})`;
      throw new TidepoolError('internal', text, { cause });
    }
    await run('sync', ['-f', unpacked]);
    await rename(unpacked, root);
  }
}

/** Names become file names here, so they are looked at. Error: `upstream`. */
export function parseRuntimes(value: unknown): Remote[] {
  const list = typeof value === 'object' && value !== null && 'runtimes' in value ? value.runtimes : undefined;
  if (!Array.isArray(list)) throw new TidepoolError('upstream', 'the server told no list of runtimes');
  return list.map((one: unknown) => {
    const { name, id, sizeBytes } = (one ?? {}) as Record<string, unknown>;
    const isName = typeof name === 'string' && /^[a-z][a-z0-9-]{0,19}$/.test(name);
    const isDisk = typeof id === 'string' && /^[0-9a-f]{1,64}$/.test(id) && typeof sizeBytes === 'number';
    if (!isName || !isDisk) throw new TidepoolError('upstream', 'the server told of a runtime that is none');
    return { name, id, sizeBytes };
  });
}
