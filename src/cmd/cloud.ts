import { randomUUID } from 'node:crypto';
import { chmod, mkdir } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { HttpsAgentLink } from '../agentlink/agent-link.ts';
import { zipReader } from '../archive/zip.ts';
import { openBlobFolder } from '../blobs/blob-folder.ts';
import { openLogFolder } from '../blobs/log-folder.ts';
import { systemClock } from '../clock/system-clock.ts';
import { adminToken } from '../config/admin-token.ts';
import { announceServer } from '../config/connection.ts';
import { defaultLibvirtUri, machineDir } from '../config/paths.ts';
import type { Config } from '../config/schema.ts';
import { TidepoolError, toTidepoolError } from '../domain/errors.ts';
import type { Accelerator, Hypervisor } from '../domain/hypervisor.ts';
import type { Image } from '../domain/image.ts';
import type { Store } from '../domain/store.ts';
import { buildServer } from '../http/server.ts';
import { chooseAccelerator } from '../image/accelerator.ts';
import { probeInitrdPath } from '../image/image-store.ts';
import { runtimeShelf } from '../image/runtime-shelf.ts';
import type { JobContext } from '../jobs/context.ts';
import { JobController } from '../jobs/controller.ts';
import { sweepWorkers } from '../jobs/sweep.ts';
import { connectLibvirtHypervisor } from '../libvirt/hypervisor.ts';
import { Sampler } from '../metrics/sampler.ts';
import { Changes } from '../reconcile/changes.ts';
import { type Loop, startLoop } from '../reconcile/loop.ts';
import { makePools } from './pools.ts';
import { version } from './version.ts';

const sweepEveryMs = 30_000;
const sampleEveryMs = 1_000;

export interface CloudOptions {
  readonly config: Config;
  /** Absolute. */
  readonly dataDir: string;
  readonly cacheDir: string;
  readonly image: Image;
  log(message: string): void;
}

/** A running control plane. */
export interface Cloud {
  readonly url: string;
  /** Resolves when every pool has a VM that takes jobs (at once for pools of size 0). */
  ready(signal: AbortSignal): Promise<void>;
  /** Runs what runs to its end, then removes the VMs. */
  drain(): Promise<void>;
  /** Lets go of everything as it is; jobs run on in their VMs until the next start. */
  stop(): Promise<void>;
}

/**
 * Puts the parts together: state, hypervisor, pools, jobs, HTTP. Everything that Tidepool is made of is made here and
 * handed to those who need it.
 */
export async function startCloud(options: CloudOptions): Promise<Cloud> {
  const { config, dataDir, log } = options;
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const { openSqliteStore } = await import('../sqlite/store.ts');
  const store = await openSqliteStore(join(dataDir, 'tidepool.db'));
  const closing = new AbortController();
  const changes = new Changes();
  const link = new HttpsAgentLink(systemClock);
  const hypervisor = await openHypervisor(options, store);
  const accelerator = await pickAccelerator(options, hypervisor);
  const runtimes = runtimeShelf({
    cacheDir: options.cacheDir,
    clock: systemClock,
    signal: closing.signal,
    log,
    onBuilt: () => changes.notify('queue'),
  });
  const jobContext: JobContext = {
    store,
    link,
    blobs: await openBlobFolder(join(dataDir, 'blobs')),
    logs: await openLogFolder(join(dataDir, 'logs')),
    datasets: zipReader,
    runtimes,
    clock: systemClock,
    changes,
    maxAttempts: config.jobs.maxAttempts,
    log,
  };
  const sampler = new Sampler(hypervisor, systemClock);
  const jobs = new JobController(jobContext);
  const pools = makePools({ ...options, store, changes, link, hypervisor, accelerator, runtimes, sampler });
  for (const pool of pools) {
    await pool.controller.start();
    pool.autoscaler.start();
  }
  jobs.start();
  const loop = (name: string, periodMs: number, step: () => Promise<void>): Loop =>
    startLoop({
      name,
      clock: systemClock,
      periodMs,
      step,
      onError: (error) => log(`${name}: ${toTidepoolError(error).message}`),
    });
  const loops = [
    loop('sampling', sampleEveryMs, () => sampler.sample()),
    loop('sweep', sweepEveryMs, () => sweepWorkers(jobContext)),
  ];

  let status: 'starting' | 'ready' | 'stopping' = 'starting';
  const server = await buildServer({
    jobs: jobContext,
    rules: {
      flavors: config.flavors.filter((f) => config.pools.some((p) => p.flavor === f.name)),
      maxQueued: config.jobs.maxQueued,
    },
    maxUploadBytes: config.jobs.maxUploadBytes,
    pools,
    usages: (vm) => sampler.usages(vm),
    openConsole: (vm) => hypervisor.openConsole(vm),
    adminToken: await adminToken(dataDir),
    version,
    status: () => status,
    waitReason: (id) => jobs.waitReason(id),
  });
  const url = await listen(server, config);
  const withdraw = await announceServer(url, dataDir);

  const close = async (): Promise<void> => {
    status = 'stopping';
    closing.abort();
    await withdraw();
    await server.close();
    await Promise.all(loops.map((one) => one.stop()));
    await jobs.stop();
    for (const pool of pools) {
      await pool.autoscaler.stop();
      await pool.controller.stop();
    }
    await link.close();
    await hypervisor.close();
    await store.close();
  };
  return {
    url,
    async ready(signal) {
      await firstWorker(store, changes, config, signal);
      status = 'ready';
    },
    async drain() {
      status = 'stopping';
      await jobs.drain();
      await Promise.all(pools.map((pool) => pool.controller.empty()));
      await close();
    },
    stop: close,
  };
}

async function openHypervisor(options: CloudOptions, store: Store): Promise<Hypervisor> {
  const installationId = await store.setting('installation-id', randomUUID);
  const folder = machineDir(options.dataDir, installationId);
  await mkdir(folder, { recursive: true });
  // QEMU runs as another user when we are root: it may pass through, not look around.
  await chmod(folder, 0o711);
  const uri = options.config.libvirtUri ?? defaultLibvirtUri();
  return connectLibvirtHypervisor({
    uri,
    machineDir: folder,
    installationId,
    clock: systemClock,
    log: options.log,
    env: process.env,
  });
}

async function pickAccelerator(options: CloudOptions, hypervisor: Hypervisor): Promise<Accelerator> {
  const { accelerator, reason } = await chooseAccelerator({
    hypervisor,
    setting: options.config.accelerator,
    cacheDir: options.cacheDir,
    kernelPath: options.image.kernelPath,
    probeInitrdPath: probeInitrdPath(options.image),
    clock: systemClock,
  });
  options.log(`accelerator ${accelerator}: ${reason}`);
  return accelerator;
}

async function listen(server: FastifyInstance, config: Config): Promise<string> {
  try {
    await server.listen({ host: config.host, port: config.port });
  } catch (cause) {
    const why =
      cause instanceof Error && 'code' in cause && cause.code === 'EADDRINUSE' ? 'it is taken' : String(cause);
    throw new TidepoolError(
      'conflict',
      `cannot listen on ${config.host}:${config.port}: ${why}; choose another by --port`,
      {
        cause,
      },
    );
  }
  const { port } = server.server.address() as AddressInfo;
  return `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${port}`;
}

async function firstWorker(store: Store, changes: Changes, config: Config, signal: AbortSignal): Promise<void> {
  const wanted = config.pools.filter((pool) => pool.min > 0).map((pool) => pool.name);
  const subscription = changes.subscribe('vms');
  try {
    while (!signal.aborted) {
      const vms = await store.vms.list();
      if (wanted.every((pool) => vms.some((vm) => vm.pool === pool && vm.state === 'ready'))) return;
      await subscription.wait(signal);
    }
  } finally {
    subscription.close();
  }
}
