import type { Duplex } from 'node:stream';
import type { AccountContext } from '../accounts/context.ts';
import type { Autoscaler } from '../autoscaler/live.ts';
import type { ArchiveWriter } from '../domain/archive.ts';
import type { Accelerator, HostInfo } from '../domain/hypervisor.ts';
import type { Image, RuntimeBuild } from '../domain/image.ts';
import type { Job } from '../domain/job.ts';
import type { JobContext } from '../jobs/context.ts';
import type { Waiting } from '../jobs/controller.ts';
import type { SubmissionRules } from '../jobs/submit.ts';
import type { JoinedWorkers } from '../joined/workers.ts';
import type { LoadRuns } from '../loads/load-runs.ts';
import type { Usage } from '../metrics/usage.ts';
import type { PoolController } from '../pool/controller.ts';
import type { HealthView } from '../protocol/api.ts';
import type { DatabaseCopy, ServerFacts } from '../protocol/server.ts';
import type { StorageContext } from '../storage/context.ts';
import type { ServedServices } from './service-views.ts';
import type { Site } from './site.ts';

/** A pool with those who steer it. */
export interface ServedPool {
  readonly name: string;
  readonly flavor: string;
  readonly controller: PoolController;
  readonly autoscaler: Autoscaler;
}

/** What the HTTP routes work with. */
export interface HttpContext {
  readonly jobs: JobContext;
  readonly storage: StorageContext;
  /** Makes the archive of a job's files. */
  readonly writeArchive: ArchiveWriter;
  readonly rules: SubmissionRules;
  /** The largest project, and the largest dataset, that may be uploaded. */
  readonly maxUploadBytes: number;
  readonly pools: readonly ServedPool[];
  readonly services: ServedServices;
  /** Load for services that the server makes itself. */
  readonly loads: LoadRuns;
  /** Where VMs run. */
  readonly host: { readonly uri: string; readonly accelerator: Accelerator; info(): Promise<HostInfo> };
  /** What VMs are cloned from. */
  readonly image: Pick<Image, 'id' | 'sizeBytes' | 'createdAtMs'>;
  runtimeBuilds(): readonly RuntimeBuild[];
  readonly workers: Pick<JoinedWorkers, 'check' | 'join' | 'list' | 'remove'>;
  /** A VM's use after this time, a value a second, oldest first. @param most maximum number; the newest are taken */
  usages(vm: string, sinceMs: number, most?: number): Usage[];
  /** A VM's serial console. */
  openConsole(vm: string): Promise<Duplex>;
  readonly accounts: AccountContext;
  /** Whether who has not signed in may submit in a user's name, at POST /upload. */
  readonly legacyUpload: boolean;
  /** Names under which browsers may reach this server, beside those of the machine itself. */
  readonly allowedHosts: readonly string[];
  /** Addresses of proxies whose word counts on who asks, by which name and whether by HTTPS. */
  readonly trustedProxies: readonly string[];
  readonly version: string;
  /** Copies of the database, and what an upgrade depends on. */
  readonly upkeep: { facts(): Promise<ServerFacts>; copyDatabase(): Promise<DatabaseCopy> };
  /** The dashboard at `/`; without it there is nothing. */
  readonly site?: Site;
  status(): HealthView['status'];
  /** Why a queued job waits. */
  waiting(job: Job): Promise<Waiting>;
  /** What of the server's own a job waits for that has a worker; undefined when it does not wait. */
  troubleOf(jobId: string): string | undefined;
}
