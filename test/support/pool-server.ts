import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ApiClient } from '../../src/cli/client.ts';
import { JobClient } from '../../src/cli/job-client.ts';
import { findServer } from '../../src/config/connection.ts';
import type { EventView, JobView, PoolView, VmView } from '../../src/protocol/api.ts';
import { until } from './poll.ts';
import { startServer, type TestServer, temporaryFolder } from './server.ts';

/** A script that prints `done` after so many seconds of work, and one that only waits. The argument is the seconds. */
const scripts = {
  burn: 'import sys, time\nend = time.time() + float(sys.argv[1])\nwhile time.time() < end: pass\nprint("done")\n',
  nap: 'import sys, time\ntime.sleep(float(sys.argv[1]))\nprint("done")\n',
};

/** Enough for them, and there in the smallest VM. */
const memoryBytes = 64 * 1024 ** 2;

/** A server with one pool, and what its tests ask of it again and again. */
export class PoolServer {
  readonly server: TestServer;
  readonly client: ApiClient;
  readonly jobs: JobClient;
  readonly dataDir: string;
  readonly #pool: string;
  readonly #folder: Awaited<ReturnType<typeof temporaryFolder>>;

  private constructor(
    server: TestServer,
    client: ApiClient,
    pool: string,
    folder: Awaited<ReturnType<typeof temporaryFolder>>,
  ) {
    this.server = server;
    this.client = client;
    this.jobs = new JobClient(client);
    this.dataDir = join(folder.path, 'data');
    this.#pool = pool;
    this.#folder = folder;
  }

  /** @param config of the server; its first pool is the one that is meant */
  static async start(config: { readonly pools: readonly [{ readonly name: string }] }): Promise<PoolServer> {
    const { name } = config.pools[0];
    const folder = await temporaryFolder(name);
    const configPath = join(folder.path, 'config.json');
    await writeFile(configPath, JSON.stringify(config));
    for (const [script, text] of Object.entries(scripts)) await writeFile(join(folder.path, `${script}.py`), text);
    const dataDir = join(folder.path, 'data');
    const server = await startServer(dataDir, ['--config', configPath]);
    return new PoolServer(server, new ApiClient(await findServer(dataDir)), name, folder);
  }

  async stop(): Promise<void> {
    this.server.signal('SIGINT');
    assert.equal(await this.server.ended, 0, this.server.output());
    await this.#folder.remove();
  }

  /** A file beside the data folder. */
  path(name: string): string {
    return join(this.#folder.path, name);
  }

  pool(): Promise<PoolView> {
    return this.client.pool(this.#pool);
  }

  /** Until so many VMs are wanted and in service. */
  async ready(count: number, limitMs: number): Promise<void> {
    const isReady = ({ counts }: PoolView): boolean => counts.ready === count && counts.desired === count;
    await until(() => this.pool(), isReady, limitMs);
  }

  /** The VMs in service. */
  async readyVms(): Promise<VmView[]> {
    return (await this.client.vms()).filter((vm) => vm.state === 'ready');
  }

  submit(script: keyof typeof scripts, seconds: number): Promise<JobView> {
    const spec = { args: [String(seconds)], limits: { memoryBytes } };
    return this.jobs.submit(spec, { script: this.path(`${script}.py`) }, sleep);
  }

  ended(id: string, limitMs: number): Promise<JobView> {
    return until(
      () => this.jobs.job(id),
      (job) => job.ended,
      limitMs,
    );
  }

  /** The events of this name since then, oldest first. */
  async events(name: string, sinceMs: number): Promise<EventView[]> {
    const newest = await this.client.events(1_000, { name });
    return newest.filter((event) => event.atMs >= sinceMs);
  }
}
