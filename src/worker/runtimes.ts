import { execFile } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdir, readdir, rename, rm, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import type { AgentClock } from '../agent/clock.ts';
import { defaultReserve, reserveOf } from '../domain/disk.ts';
import { TidepoolError } from '../domain/errors.ts';
import { folderDisk } from '../files/disk.ts';
import { syncPath } from '../files/durable.ts';
import { unmount } from './mounts.ts';
import { askJson, download, type ServerAddress, unreachable } from './server.ts';

const run = promisify(execFile);

/** The runtime that every job may use; a worker without it is none. */
export const commonRuntime = 'python';
/** A runtime that the server has not named for this long is given up. A job that is about to come here may still need it. */
const goneAfterMs = 600_000;

interface Remote {
  readonly name: string;
  readonly id: string;
  readonly sizeBytes: number;
}

/** How a disk gets to its folder and leaves it: by a mount, or unpacked. Tests have their own. */
export interface DiskTool {
  attach(disk: string, root: string): Promise<void>;
  /** Removes what `attach` made of the folder, but not the folder. */
  detach(root: string): Promise<void>;
}

export interface WorkerRuntimesOptions {
  readonly server: ServerAddress;
  /** Of ours; below it `disks`, `roots`, and `names` with a link for each that is ready. */
  readonly folder: string;
  readonly clock: Pick<AgentClock, 'uptimeMs'>;
  log(line: string): void;
  readonly tool?: DiskTool;
}

/**
 * The control plane's runtimes on this machine: each a squashfs file that is mounted, or unpacked where that is not possible.
 * A runtime that is here stays as it is, as in a VM, until the worker is started again or the server has none of this name
 * any more and no attempt uses it. The server's cache is bounded, so this one is too.
 */
export class WorkerRuntimes {
  readonly #server: ServerAddress;
  readonly #folder: string;
  readonly #clock: Pick<AgentClock, 'uptimeMs'>;
  readonly #log: (line: string) => void;
  readonly #tool: DiskTool;
  /** By name: the file name of the disk, and when the server named it last, by the steady clock. */
  readonly #here = new Map<string, { readonly file: string; namedAtMs: number }>();

  constructor({ server, folder, clock, log, tool = mountTool }: WorkerRuntimesOptions) {
    this.#server = server;
    this.#folder = folder;
    this.#clock = clock;
    this.#log = log;
    this.#tool = tool;
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
    const remotes = parseRuntimes(await askJson(this.#server, 'GET', '/api/v1/workers/runtimes'));
    for (const { name } of remotes) {
      const here = this.#here.get(name);
      if (here !== undefined) here.namedAtMs = this.#clock.uptimeMs();
    }
    await this.#sweep(remotes);
    return remotes.filter(({ name }) => !this.#here.has(name));
  }

  /**
   * Removes the runtimes that the server has not named for ten minutes. The common one stays whatever the server says.
   * @param release has nobody of this machine use a runtime any more and then calls `remove`; false: somebody uses it now
   */
  async drop(release: (name: string, remove: () => Promise<void>) => Promise<boolean>): Promise<void> {
    for (const [name, { file, namedAtMs }] of [...this.#here]) {
      if (name === commonRuntime || this.#clock.uptimeMs() - namedAtMs < goneAfterMs) continue;
      const isGone = await release(name, async () => {
        this.#here.delete(name);
        await rm(join(this.namesPath, name), { force: true });
        await this.#remove(file);
      });
      if (isGone) this.#log(`removed the runtime ${name}, which the server has no more`);
    }
  }

  /**
   * Brings one here. Errors: those of `ask`, `upstream`, `exhausted` (the disk has no room for it), `internal` (it can be
   * neither mounted nor unpacked).
   */
  async bring(remote: Remote): Promise<void> {
    const { name, id } = remote;
    const file = `${name}-${id}`;
    const disk = join(this.#folder, 'disks', file);
    const facts = await stat(disk).catch(() => undefined);
    if (facts?.size !== remote.sizeBytes) await this.#download(remote, disk);
    const root = join(this.#folder, 'roots', file);
    await mkdir(root, { recursive: true, mode: 0o755 });
    if ((await readdir(root)).length === 0) await this.#tool.attach(disk, root);
    await symlink(root, join(this.namesPath, name));
    this.#here.set(name, { file, namedAtMs: this.#clock.uptimeMs() });
  }

  /** The disk of this machine is for what jobs write, and for its owner. Error: `exhausted`. */
  async #checkRoom({ name, sizeBytes }: Remote): Promise<void> {
    const { freeBytes, totalBytes } = await folderDisk(this.#folder).space();
    const keptBytes = reserveOf(defaultReserve, totalBytes);
    if (freeBytes - sizeBytes >= keptBytes) return;
    const [free, size, kept] = [freeBytes, sizeBytes, keptBytes].map((bytes) => Math.floor(bytes / 1024 ** 2));
    throw new TidepoolError(
      'exhausted',
      `no room for the runtime ${name} in ${this.#folder}: it has ${size} MiB, ${free} MiB are free, and ${kept} MiB are kept for jobs; make room there`,
    );
  }

  async #download({ name, id, sizeBytes }: Remote, disk: string): Promise<void> {
    await this.#checkRoom({ name, id, sizeBytes });
    this.#log(`getting the runtime ${name}, ${Math.ceil(sizeBytes / 1024 ** 2)} MiB`);
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

  /** Removes what an earlier process left and the server has no more, or has in another build. */
  async #sweep(remotes: readonly Remote[]): Promise<void> {
    const wanted = new Set(remotes.map(({ name, id }) => `${name}-${id}`));
    for (const { file } of this.#here.values()) wanted.add(file);
    for (const part of ['disks', 'roots']) {
      for (const file of await readdir(join(this.#folder, part))) if (!wanted.has(file)) await this.#remove(file);
    }
  }

  async #remove(file: string): Promise<void> {
    const root = join(this.#folder, 'roots', file);
    await this.#tool.detach(root);
    for (const path of [root, join(this.#folder, 'disks', file)]) await rm(path, { recursive: true, force: true });
  }
}

function isOfDisk(cause: unknown): cause is Error {
  return cause instanceof Error && 'syscall' in cause && ['open', 'write'].includes(String(cause.syscall));
}

/** A mount costs no disk and no time; it needs a loop device, which containers seldom have. */
const mountTool: DiskTool = { attach, detach: unmount };

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
