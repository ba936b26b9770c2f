import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { type AccountContext, purgeEnded } from '../accounts/context.ts';
import type { Connections } from '../agentlink/connections.ts';
import { zipReader } from '../archive/zip.ts';
import { writeZip } from '../archive/zip-writer.ts';
import { steadyClock } from '../clock/steady-clock.ts';
import { systemClock } from '../clock/system-clock.ts';
import { tokenLookEveryMs } from '../config/admin-token.ts';
import { announceServer } from '../config/connection.ts';
import { prepareDataFolder } from '../config/data-folder.ts';
import { configDoubts } from '../config/doubts.ts';
import { lockInstallation } from '../config/installation-lock.ts';
import { isRoot } from '../config/paths.ts';
import type { Config } from '../config/schema.ts';
import { toTidepoolError } from '../domain/errors.ts';
import type { Flavor } from '../domain/flavor.ts';
import type { Accelerator, Hypervisor } from '../domain/hypervisor.ts';
import type { Image } from '../domain/image.ts';
import { jobLimitRanges } from '../domain/limits.ts';
import type { Store } from '../domain/store.ts';
import { joinedPool } from '../domain/worker.ts';
import { buildServer } from '../http/server.ts';
import type { Site } from '../http/site.ts';
import { chooseAccelerator } from '../image/accelerator.ts';
import { probeInitrdPath } from '../image/image-store.ts';
import { runtimeShelf, type WatchedShelf } from '../image/runtime-shelf.ts';
import type { JobContext } from '../jobs/context.ts';
import { JobController } from '../jobs/controller.ts';
import { sweepWorkers } from '../jobs/sweep.ts';
import { JoinedWorkers } from '../joined/workers.ts';
import { LoadRuns } from '../loads/load-runs.ts';
import { Sampler } from '../metrics/sampler.ts';
import { Changes } from '../reconcile/changes.ts';
import { startLoop } from '../reconcile/loop.ts';
import { databaseKind } from '../sqlite/recognize.ts';
import { openSqliteStore } from '../sqlite/store.ts';
import type { StorageContext } from '../storage/context.ts';
import { keepStorage } from '../storage/keep.ts';
import type { DiskReserve } from '../storage/reserve.ts';
import { openAccounts } from './accounts.ts';
import { keepCache } from './cache-lease.ts';
import { checkCacheRoom } from './cache-room.ts';
import { Ending } from './ending.ts';
import { jobPools, retirePools } from './job-pools.ts';
import { launchObstacle } from './launch-obstacle.ts';
import { listen } from './listen.ts';
import { closeMachines, openMachines, removeMachineDir } from './machines.ts';
import { pipSource } from './pip.ts';
import { checkedPlanner } from './policies.ts';
import { Pools } from './pools.ts';
import { prepare } from './prepare.ts';
import { openReserve, openWithBallast, reserveRule } from './reserve.ts';
import { schedulingRules } from './scheduling.ts';
import { openServices, type Services } from './services.ts';
import { openStorage } from './storage.ts';
import { openUpkeep } from './upkeep.ts';
import { version } from './version.ts';

const sweepEveryMs = 30_000;
const sampleEveryMs = 1_000;
const connectionsEveryMs = 60_000;
/** A fast disk is filled by some GiB in the meantime, of which the reserve has some. */
const diskEveryMs = 2_000;
const purgeEveryMs = 3_600_000;
const storageEveryMs = 3_600_000;
const mostLoads = 4;
/** Each job ends by its own limit; a worker that is gone is given up within the hour. */
const jobsLimitMs = jobLimitRanges.timeoutMs.max + 3_600_000;
/** A host with too much to do takes minutes for each VM. */
const vmsLimitMs = 1_800_000;
const partsLimitMs = 60_000;

export interface CloudOptions {
  readonly config: Config;
  /** Absolute. */
  readonly dataDir: string;
  readonly cacheDir: string;
  readonly image: Image;
  readonly site: Site;
  /** Of the first administrator; undefined: one is made and told. */
  readonly adminPassword: string | undefined;
  log(message: string): void;
}

/** A running control plane. */
export interface Cloud {
  readonly url: string;
  /** Resolves when every pool has a VM that takes jobs (at once for pools of size 0). */
  ready(signal: AbortSignal): Promise<void>;
  /** Runs what runs to its end, then removes the VMs. Never throws; returns the exit code. */
  drain(): Promise<number>;
  /** Lets go of everything as it is; jobs run on in their VMs until the next start. Never throws; returns the exit code. */
  stop(): Promise<number>;
}

/**
 * Puts the parts together: state, hypervisor, pools, jobs, HTTP. Everything that Tidepool is made of is made here and
 * handed to those who need it.
 * @param open opens the ways to the machines; benchmarks have machines of their own
 */
export async function startCloud(options: CloudOptions, open: typeof openMachines = openMachines): Promise<Cloud> {
  // Whatever was opened is closed in reverse order: at the end, or when a later part does not start.
  const parts = new AsyncDisposableStack();
  try {
    return await assemble(options, open, parts);
  } catch (error) {
    await new Ending(systemClock, options.log).part('what had started', partsLimitMs, () => parts.disposeAsync());
    throw error;
  }
}

async function assemble(options: CloudOptions, open: typeof openMachines, parts: AsyncDisposableStack): Promise<Cloud> {
  const { config, dataDir } = options;
  const planner = checkedPlanner(config);
  const store = parts.adopt(
    await openWithBallast(options, async () => {
      await prepareDataFolder(dataDir, databaseKind);
      const path = join(dataDir, 'tidepool.db');
      return openSqliteStore(path, config.services.store, config.jobs.fairness.halfLifeMs, options.log);
    }),
    (opened) => opened.close(),
  );
  const changes = new Changes();
  const installationId = await store.setting('installation-id', randomUUID);
  // Before anything of libvirt's is touched, and given up after everything else of it.
  const lock = parts.use(await lockInstallation(installationId, { dataDir, pid: process.pid }));
  const machines = parts.adopt(await open(options, installationId), closeMachines);
  const { hypervisor, link, tunnels, connections } = machines;
  const sampler = new Sampler(hypervisor, systemClock);
  const runtimes = openRuntimes(options, changes, parts);
  const reserve = await openReserve(options, store, changes);
  const storage = await openStorage(options, store, reserve, changes);
  const jobContext = makeJobContext(options, { store, link, runtimes, changes }, storage);
  const jobs = new JobController(jobContext);
  const workers = new JoinedWorkers({ ...options, store, link, tunnels, clock: systemClock, changes });
  const { accounts, keepToken } = await openAccounts({ ...options, store, changes });
  const accelerator = await pickAccelerator(options, hypervisor);
  const networkTrouble = await hypervisor.networkTrouble(config.network);
  for (const doubt of [...planner.doubts, ...(await configDoubts(config, networkTrouble))])
    options.log(`configuration: ${doubt}`);
  const awaitedRuntimes = (): readonly string[] => jobs.awaitedRuntimes;
  const poolParts = {
    ...{ ...options, store, changes, link, hypervisor, accelerator, runtimes, sampler, planner },
    awaitedRuntimes,
    obstacle: openObstacle(options, hypervisor, parts),
  };
  const pools = parts.adopt(new Pools(poolParts), (opened) => opened.stop());
  const { blobs } = storage;
  const services = await openServices({ ...poolParts, dataDir, installationId, blobs, connections, pools });
  parts.adopt(services.context.balancer, (opened) => opened.close());
  const loads = parts.adopt(new LoadRuns({ clock: steadyClock, mostAtATime: mostLoads }), (made) => made.close());

  let status: 'starting' | 'ready' | 'stopping' = 'starting';
  const server = await buildServer({
    jobs: jobContext,
    storage,
    writeArchive: writeZip,
    rules: { flavors: flavorsInUse(config), maxQueued: config.jobs.maxQueued },
    maxUploadBytes: config.jobs.maxUploadBytes,
    pools: pools.served,
    services,
    loads,
    image: options.image,
    host: { uri: hypervisor.uri, accelerator, info: () => hypervisor.hostInfo() },
    runtimeBuilds: () => runtimes.builds(),
    workers,
    usages: (vm, sinceMs, most) => sampler.usages(vm, sinceMs, most),
    openConsole: (vm) => hypervisor.openConsole(vm),
    accounts,
    legacyUpload: config.legacyUpload,
    allowedHosts: [config.host, ...config.allowedHosts],
    trustedProxies: config.trustedProxies,
    version,
    upkeep: await openUpkeep({ store, dataDir, imageId: options.image.id, clock: systemClock }),
    site: options.site,
    status: () => status,
    waiting: (job) => jobs.waiting(job),
    troubleOf: (jobId) => jobs.troubleOf(jobId),
  });
  parts.adopt(server, (listening) => listening.close());
  const url = await listen(server, config);
  lock.announce(url);
  parts.defer(await announceServer({ url, dataDir }));
  parts.adopt(workers, (joined) => joined.stop()).start();
  await startLoops(
    {
      options,
      jobs,
      jobContext,
      storage,
      reserve,
      pools,
      services,
      hypervisor,
      sampler,
      connections,
      accounts,
      keepToken,
    },
    parts,
  );

  return {
    url,
    async ready(signal) {
      await firstWorker(store, changes, config, signal);
      status = 'ready';
    },
    async drain() {
      status = 'stopping';
      const ending = new Ending(systemClock, options.log);
      await ending.part('autoscaling', partsLimitMs, () => pools.freeze());
      // VMs whose jobs may still run stay for the next start.
      const isDrained = await ending.part('the jobs', jobsLimitMs, () => jobs.drain());
      const isEmpty = isDrained && (await ending.part('the VMs', vmsLimitMs, () => pools.empty()));
      await ending.part('the front door', partsLimitMs, () => services.context.balancer.stop());
      await ending.part('the rest', partsLimitMs, () => parts.disposeAsync());
      if (isEmpty) await removeMachineDir(options, installationId);
      return ending.exitCode;
    },
    async stop() {
      status = 'stopping';
      const ending = new Ending(systemClock, options.log);
      await ending.part('the server', partsLimitMs, () => parts.disposeAsync());
      return ending.exitCode;
    },
  };
}

function openRuntimes(options: CloudOptions, changes: Changes, parts: AsyncDisposableStack): WatchedShelf {
  const closing = new AbortController();
  parts.defer(() => closing.abort());
  return runtimeShelf({
    cacheDir: options.cacheDir,
    clock: systemClock,
    pip: pipSource(options.config.jobs),
    isRoot: isRoot(),
    signal: closing.signal,
    checkRoom: () => checkCacheRoom(options.cacheDir, reserveRule(options.config)),
    log: options.log,
    onBuilt: () => changes.notify('queue'),
  });
}

function openObstacle(options: CloudOptions, hypervisor: Hypervisor, parts: AsyncDisposableStack) {
  const closing = new AbortController();
  parts.defer(() => closing.abort());
  const { cacheDir, image, config, log } = options;
  return launchObstacle({
    ...{ hypervisor, network: config.network, cacheDir, image, clock: systemClock, log },
    async rebuild() {
      await checkCacheRoom(cacheDir, reserveRule(config));
      return (await prepare(cacheDir, closing.signal)).image;
    },
  });
}

function makeJobContext(
  { config, log }: CloudOptions,
  shared: Pick<JobContext, 'store' | 'link' | 'runtimes' | 'changes'>,
  { blobs, logs, rules }: StorageContext,
): JobContext {
  return {
    ...shared,
    blobs,
    logs,
    storage: rules,
    archives: zipReader,
    clock: systemClock,
    hasPip: config.jobs.pip !== undefined,
    flavors: config.flavors,
    maxAttempts: config.jobs.maxAttempts,
    rules: schedulingRules(config.jobs),
    workerPools: new Set([...config.pools.map((pool) => pool.name), joinedPool]),
    log,
  };
}

interface LoopParts {
  readonly options: CloudOptions;
  readonly jobs: JobController;
  readonly jobContext: JobContext;
  readonly storage: StorageContext;
  readonly reserve: DiskReserve;
  readonly pools: Pools;
  readonly services: Services;
  readonly hypervisor: Hypervisor;
  readonly sampler: Sampler;
  readonly connections: Connections;
  readonly accounts: AccountContext;
  keepToken(): Promise<void>;
}

async function startLoops(
  {
    options,
    jobs,
    jobContext,
    storage,
    reserve,
    pools,
    services,
    hypervisor,
    sampler,
    connections,
    accounts,
    keepToken,
  }: LoopParts,
  parts: AsyncDisposableStack,
): Promise<void> {
  const loop = (name: string, periodMs: number, step: (signal: AbortSignal) => Promise<void>): void => {
    const onError = (error: unknown): void => options.log(`${name}: ${toTidepoolError(error).message}`);
    parts.adopt(startLoop({ name, clock: systemClock, periodMs, step, onError }), (started) => started.stop());
  };
  const { cacheDir, dataDir, image } = options;
  keepCache(
    {
      ...{ cacheDir, dataDir, image, reserve: reserveRule(options.config) },
      ...{ store: jobContext.store, runtimes: jobContext.runtimes, jobs },
    },
    loop,
    options.log,
  );
  loop('disk', diskEveryMs, () => reserve.look());
  loop('sampling', sampleEveryMs, () => sampler.sample());
  const { store, runtimes } = jobContext;
  loop('connections', connectionsEveryMs, async () =>
    connections.keepOnly(new Set((await store.vms.list()).map(({ keyId }) => keyId))),
  );
  for (const plan of jobPools({ config: options.config, pools, store, runtimes, jobs })) await pools.open(plan);
  await retirePools(pools, jobContext.store, hypervisor);
  parts.adopt(services.controller, (started) => started.stop()).start();
  parts.adopt(jobs, (started) => started.stop()).start();
  loop('sweep', sweepEveryMs, (signal) => sweepWorkers(jobContext, signal));
  loop('admin token', tokenLookEveryMs, keepToken);
  loop('purge', purgeEveryMs, () => purgeEnded(accounts));
  loop('storage', storageEveryMs, () => keepStorage(storage));
}

function flavorsInUse(config: Config): Flavor[] {
  return config.flavors.filter((flavor) => config.pools.some((pool) => pool.flavor === flavor.name));
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
