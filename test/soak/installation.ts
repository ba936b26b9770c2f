import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ApiClient } from '../../src/cli/client.ts';
import { defaultCacheDir, machineDir } from '../../src/config/paths.ts';
import { listProcesses, type Process } from '../../src/processes/process-table.ts';
import { openSqliteStore } from '../../src/sqlite/store.ts';
import { freePort } from '../support/free-port.ts';
import { SmallDisk } from './disk.ts';
import { Namespace } from './namespace.ts';
import { signalProcess } from './signal-process.ts';
import type { Story } from './story.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const clockModule = fileURLToPath(new URL('./clock-jump.mjs', import.meta.url));
const isRoot = process.getuid?.() === 0;
const dataMiB = 192;
const machinesMiB = 1_536;

/** Everything of one soak: folders, small disks, a libvirt daemon of its own, and the server, which is started again whenever it ends. */
export class Installation {
  readonly folder: string;
  readonly dataDir: string;
  readonly machineDir: string;
  /** Null for an ordinary user, who may mount nothing. */
  readonly dataDisk: SmallDisk | null;
  readonly machineDisk: SmallDisk | null;
  readonly url: string;
  readonly #story: Story;
  /** Null for an ordinary user, whose libvirt daemon is found by the environment. */
  readonly #namespace: Namespace | null;
  readonly #environment: NodeJS.ProcessEnv;
  #server: ChildProcess | undefined;
  #isWanted = false;
  #starts = 0;

  private constructor(fields: {
    folder: string;
    dataDir: string;
    machineDir: string;
    dataDisk: SmallDisk | null;
    machineDisk: SmallDisk | null;
    namespace: Namespace | null;
    port: number;
    story: Story;
  }) {
    this.folder = fields.folder;
    this.dataDir = fields.dataDir;
    this.machineDir = fields.machineDir;
    this.dataDisk = fields.dataDisk;
    this.machineDisk = fields.machineDisk;
    this.#namespace = fields.namespace;
    this.url = `http://127.0.0.1:${fields.port}`;
    this.#story = fields.story;
    this.#environment = {
      ...process.env,
      // A libvirt daemon and notes of servers that are this run's alone.
      XDG_RUNTIME_DIR: join(fields.folder, 'run'),
      XDG_CONFIG_HOME: join(fields.folder, 'config'),
      XDG_CACHE_HOME: join(fields.folder, 'cache'),
      XDG_STATE_HOME: join(fields.folder, 'state'),
      TIDEPOOL_CACHE_DIR: defaultCacheDir(),
      NODE_OPTIONS: `--import=file://${clockModule}`,
      TIDEPOOL_SOAK_CLOCK: join(fields.folder, 'clock-offset'),
    };
  }

  /** @param folder empty; @param config of the server, but for its port */
  static async make(folder: string, config: Readonly<Record<string, unknown>>, story: Story): Promise<Installation> {
    for (const name of ['run', 'config', 'cache', 'state']) await mkdir(join(folder, name), { mode: 0o700 });
    await writeFile(join(folder, 'clock-offset'), '0');
    const port = await freePort();
    await writeFile(join(folder, 'config.json'), JSON.stringify({ ...config, port }));
    const dataDir = join(folder, 'data');
    const dataDisk = isRoot ? await SmallDisk.make(dataDir, join(folder, 'data.img'), dataMiB) : null;
    await mkdir(dataDir, { recursive: true });
    const machines = machineDir(dataDir, await installationId(dataDir));
    const machineDisk = isRoot ? await SmallDisk.make(machines, join(folder, 'machines.img'), machinesMiB) : null;
    const namespace = isRoot ? await Namespace.make() : null;
    return new Installation({ folder, dataDir, machineDir: machines, dataDisk, machineDisk, namespace, port, story });
  }

  /** A client as the administrator; the token is made by the first start. */
  async client(): Promise<ApiClient> {
    const token = (await readFile(join(this.dataDir, 'admin.token'), 'utf8')).trim();
    return new ApiClient({ url: this.url, token });
  }

  /** The server's process; undefined while there is none. */
  get serverPid(): number | undefined {
    return this.#server?.pid;
  }

  /** Starts the server, and again each time that it ends, as a service manager does. */
  start(): void {
    this.#isWanted = true;
    this.#spawn(0);
  }

  /** Interrupts the server and resolves with its exit code, or the name of the signal that ended it. */
  async stop(): Promise<number | string | undefined> {
    this.#isWanted = false;
    const server = this.#server;
    if (server === undefined) return undefined;
    server.kill('SIGINT');
    const [code, by] = await once(server, 'close', { signal: AbortSignal.timeout(300_000) });
    return code ?? by;
  }

  /** Sets the wall clock of the server, as a difference to the true one. */
  async setClock(offsetMs: number): Promise<void> {
    await writeFile(join(this.folder, 'clock-offset'), String(offsetMs));
  }

  /** QEMU processes of this run. */
  machines(): Promise<Process[]> {
    return this.#processes('qemu-system', `${this.machineDir}/`);
  }

  /** HAProxy's processes of this run: the master and its workers. */
  async frontDoor(): Promise<Process[]> {
    const folders = [this.dataDir, (await installationId(this.dataDir, true)).slice(0, 13)];
    const found = await Promise.all(folders.map((folder) => this.#processes('haproxy', folder)));
    return [...new Map(found.flat().map((one) => [one.pid, one])).values()];
  }

  /** The libvirt daemon of this run. */
  daemons(): Promise<Process[]> {
    return this.#own(['libvirtd', 'virtqemud']);
  }

  /** Starts the libvirt daemon again, as a service manager does with that of the system. */
  async restartDaemon(): Promise<void> {
    if (this.#namespace === null || (await this.daemons()).length > 0) return;
    const [program = '', ...args] = this.#namespace.enter(['libvirtd', '-d']);
    await once(spawn(program, args, { stdio: 'ignore' }), 'close');
  }

  /** Ends what is left of a run, whatever it is. */
  async remove(keep: boolean): Promise<void> {
    this.#isWanted = false;
    this.#server?.kill('SIGKILL');
    const daemons = await this.#own(['libvirtd', 'virtqemud', 'virtlogd']);
    const left = [...(await this.machines()), ...(await this.frontDoor().catch(() => [])), ...daemons];
    for (const one of left) await signalProcess(one, 'SIGKILL');
    this.#namespace?.end();
    if (keep) return;
    await this.dataDisk?.remove();
    await this.machineDisk?.remove();
    if (this.machineDisk !== null) await rm(this.machineDir, { recursive: true, force: true });
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Processes of these programs that belong to this run. */
  async #own(programs: readonly string[]): Promise<Process[]> {
    const ours: Process[] = [];
    for (const one of await listProcesses()) {
      if (!programs.some((program) => one.words[0]?.endsWith(program))) continue;
      const environment = await readFile(`/proc/${one.pid}/environ`, 'utf8').catch(() => '');
      const isOurs =
        this.#namespace === null
          ? environment.includes(`XDG_RUNTIME_DIR=${join(this.folder, 'run')}`)
          : await this.#namespace.contains(one.pid);
      if (isOurs) ours.push(one);
    }
    return ours;
  }

  async #processes(program: string, text: string): Promise<Process[]> {
    const all = await listProcesses();
    return all.filter(({ words }) => words[0]?.includes(program) && words.some((word) => word.includes(text)));
  }

  #spawn(delayMs: number): void {
    setTimeout(() => {
      if (!this.#isWanted) return;
      this.#starts += 1;
      const log = createWriteStream(join(this.folder, 'server.log'), { flags: 'a' });
      log.write(`--- start ${this.#starts} at ${(this.#story.elapsedMs / 1_000).toFixed(1)} s of the soak\n`);
      const serve = ['serve', '--config', join(this.folder, 'config.json'), '--data-dir', this.dataDir];
      const command = [join(root, 'tidepool'), ...serve];
      const [program = '', ...args] = this.#namespace?.enter(command) ?? command;
      const server = spawn(program, args, { env: this.#environment, stdio: ['ignore', 'pipe', 'pipe'] });
      this.#server = server;
      server.stdout.pipe(log, { end: false });
      server.stderr.pipe(log, { end: false });
      server.once('close', (code, by) => {
        log.end(`--- it ended with ${code ?? by}\n`);
        if (this.#server === server) this.#server = undefined;
        this.#story.note(`the server ended with ${code ?? by}`);
        if (this.#isWanted) this.#spawn(1_000);
      });
    }, delayMs);
  }
}

/** Makes the folder of a run. Its path is short, since sockets are made below it. */
export function soakFolder(): Promise<string> {
  return mkdtemp(isRoot ? '/var/tmp/tp-soak-' : '/tmp/tp-soak-');
}

/** The id is made here before the first start, so that the folder of the machines is known. */
async function installationId(dataDir: string, isMade = false): Promise<string> {
  const file = join(dataDir, '..', 'installation-id');
  if (isMade) return readFile(file, 'utf8');
  const store = await openSqliteStore(join(dataDir, 'tidepool.db'));
  const id = await store.setting('installation-id', () => crypto.randomUUID());
  await store.close();
  await writeFile(file, id);
  return id;
}
