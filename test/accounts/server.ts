import type { AddressInfo } from 'node:net';
import { PassThrough, Readable } from 'node:stream';
import type { RouteOptions } from 'fastify';
import { HttpsAgentLink } from '../../src/agentlink/agent-link.ts';
import { Connections } from '../../src/agentlink/connections.ts';
import { Tunnels } from '../../src/agentlink/tunnel.ts';
import { zipReader } from '../../src/archive/zip.ts';
import { writeZip } from '../../src/archive/zip-writer.ts';
import { openBlobFolder } from '../../src/blobs/blob-folder.ts';
import { openLogFolder } from '../../src/blobs/log-folder.ts';
import { steadyClock } from '../../src/clock/steady-clock.ts';
import { openUpkeep } from '../../src/cmd/upkeep.ts';
import type { AgentLink } from '../../src/domain/agent-link.ts';
import { defaultReserve } from '../../src/domain/disk.ts';
import { defaultFlavors } from '../../src/domain/flavor.ts';
import type { RuntimeShelf } from '../../src/domain/image.ts';
import { emptyResult, type Job } from '../../src/domain/job.ts';
import { type StorageRules, unlimitedStorage } from '../../src/domain/storage.ts';
import { FakeDisk } from '../../src/fake/disk.ts';
import { FakeHypervisor } from '../../src/fake/hypervisor.ts';
import { queuedJob } from '../../src/fake/job.ts';
import { readyVm } from '../../src/fake/vm.ts';
import type { HttpContext, ServedPool } from '../../src/http/context.ts';
import { buildServer } from '../../src/http/server.ts';
import type { JobContext } from '../../src/jobs/context.ts';
import { defaultUserRules } from '../../src/jobs/rules.ts';
import { JoinedWorkers } from '../../src/joined/workers.ts';
import { LoadRuns } from '../../src/loads/load-runs.ts';
import { deployService } from '../../src/services/deploy.ts';
import { DiskReserve } from '../../src/storage/reserve.ts';
import { ServiceWorld } from '../services/world.ts';
import { temporaryFolder } from '../support/server.ts';
import { readFromMemory } from './blobs.ts';
import type { TestAccounts } from './support.ts';

export interface TestWeb extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  readonly accounts: TestAccounts;
  /** Nothing of it runs. */
  readonly services: ServiceWorld;
  readonly workers: JoinedWorkers;
  /** To the agents of workers that joined. */
  readonly link: AgentLink;
  readonly context: HttpContext;
  /** Every route, `METHOD /path`. */
  readonly routes: readonly string[];
  /** A job that runs, or has ended and left the file `out.txt`. */
  addJob(owner: string, hasEnded?: boolean, vmName?: string): Promise<Job>;
  /** A service of the owner's, which has no VM. Gives its name. */
  addService(owner: string): Promise<string>;
  /** Breaks off whatever is connected, as a network that fails does. */
  cutConnections(): void;
  [Symbol.asyncDispose](): Promise<void>;
}

/** What differs from the usual. */
export interface WebSettings extends Partial<HttpContext> {
  /** What users may keep; all they like unless given. */
  readonly storageRules?: StorageRules;
}

/** The HTTP server on a real port, with real accounts, one ready VM and a pool that does as if. */
export async function openTestWeb(
  accounts: TestAccounts,
  { storageRules = unlimitedStorage, ...settings }: WebSettings = {},
): Promise<TestWeb> {
  const folder = await temporaryFolder('web');
  const { root: store, clock, changes } = accounts;
  await store.vms.insert(readyVm());
  const blobs = readFromMemory(await openBlobFolder(`${folder.path}/blobs`, clock));
  const runtimes: RuntimeShelf = {
    list: async () => [],
    names: async () => ['python'],
    want: async () => undefined,
    wantLayered: async () => undefined,
    isRemoved: async () => false,
    image: async () => null,
  };
  const logs = await openLogFolder(`${folder.path}/logs`);
  const disk = new FakeDisk(100 * 1024 ** 3);
  const reserve = new DiskReserve({
    ...{ disk, ballast: disk, rule: defaultReserve, clock, what: 'the data folder' },
    alert: async () => undefined,
    log: () => undefined,
  });
  const storage = { store, clock, blobs, logs, reserve, rules: storageRules, log: () => undefined };
  const parts = {
    store,
    changes,
    clock,
    blobs,
    logs,
    archives: zipReader,
    runtimes,
    hasPip: true,
    flavors: defaultFlavors,
    maxAttempts: 3,
    workerPools: new Set(['default']),
    rules: { userRules: () => defaultUserRules },
    storage: storage.rules,
    log: () => undefined,
  };
  const routes: string[] = [];
  const services = ServiceWorld.around({ store, clock, changes, blobs });
  const tunnels = new Tunnels();
  const link = new HttpsAgentLink(clock, new Connections(tunnels));
  const workers = new JoinedWorkers({ store, link, tunnels, clock, changes, log: () => undefined });
  const context: HttpContext = {
    // The link to agents and what schedules jobs are never asked for by HTTP.
    jobs: parts as unknown as JobContext,
    storage,
    writeArchive: writeZip,
    rules: { flavors: defaultFlavors, maxQueued: 1_000_000 } as HttpContext['rules'],
    maxUploadBytes: 1024,
    pools: [stillPool()],
    services,
    loads: new LoadRuns({ clock: steadyClock, mostAtATime: 100 }),
    image: { id: 'image-1', sizeBytes: 400_000_000, createdAtMs: 1_000 },
    host: { uri: 'fake:///', accelerator: 'tcg', info: () => new FakeHypervisor({ clock }).hostInfo() },
    runtimeBuilds: () => [],
    workers,
    usages: () => [],
    openConsole: async () => new PassThrough(),
    accounts,
    legacyUpload: false,
    allowedHosts: [],
    trustedProxies: [],
    version: '0',
    upkeep: await openUpkeep({ store, dataDir: folder.path, imageId: 'image-1', clock }),
    status: () => 'ready',
    waiting: async () => ({ reason: { code: 'soon', text: 'waits', numbers: {} }, place: 0 }),
    troubleOf: () => undefined,
    ...settings,
  };
  const app = await buildServer(context, (route: RouteOptions) =>
    routes.push(...[route.method].flat().map((method) => `${method} ${route.url}`)),
  );
  await app.listen({ host: '127.0.0.1', port: 0 });
  let jobs = 0;
  return {
    url: `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`,
    accounts,
    services,
    workers,
    link,
    context,
    routes,
    async addJob(owner, hasEnded = false, vmName = 'test-0000') {
      jobs += 1;
      const job = queuedJob({ id: `${owner}-${jobs}`, owner, state: 'running', attempt: 1, vmName });
      await store.jobs.insert(job);
      if (!hasEnded) return job;
      const { id: blob, sizeBytes } = await blobs.put(Readable.from([Buffer.from('7')]), 9);
      const files = [{ path: 'out.txt', sizeBytes, blob }];
      await store.jobs.finish(job.id, 1, { state: 'succeeded', result: emptyResult, files, nowMs: 9_000 });
      return job;
    },
    async addService(owner) {
      const deployment = await services.deployment(`of-${owner}`, 'good', { owner, protocol: 'udp' });
      return (await deployService(services.context, deployment)).service.name;
    },
    cutConnections: () => app.server.closeAllConnections(),
    async [Symbol.asyncDispose]() {
      await context.loads.close();
      await workers.stop();
      await app.close();
      await store.close();
      await folder.remove();
    },
  };
}

/** What HTTP sees of a pool; nothing changes. */
function stillPool(): ServedPool {
  const settings = { min: 0, max: 9, warm: 0, policies: [], paused: false };
  const decision = { pool: 'default', atMs: 1, from: 1, desired: 1, action: 'none', recommendations: [], limits: [] };
  const nothing = async (): Promise<void> => undefined;
  return {
    name: 'default',
    flavor: 'small',
    controller: {
      size: { settings, desired: 1 },
      waitsFor: null,
      scale: nothing,
      change: nothing,
      drainVm: nothing,
      deleteVm: nothing,
    },
    autoscaler: { lastDecision: decision, decide: async () => decision, checkPolicies: () => undefined },
  } as unknown as ServedPool;
}
