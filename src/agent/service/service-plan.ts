import { dirname, join } from 'node:path';
import { type ServiceSpec, serviceGraceMs } from '../../protocol/agent-service.ts';
import { underInit } from '../container-init.ts';
import type { RunPlan } from '../container-run.ts';
import { containerSpec, jobEnvironment } from '../container-spec.ts';
import { diskQuota, type MachineFacts, serviceCgroupSettings } from '../limits.ts';
import type { AgentPaths } from '../paths.ts';
import type { Slot } from '../slot.ts';

/** Of the working folder and all that a service writes: what slots are prepared for. */
export const serviceDiskBytes = 1024 ** 3;

/** What a service's container needs to know of the VM. */
export interface VmFacts {
  /** What jobs may use. */
  readonly capacity: MachineFacts;
  readonly hostname: string;
  readonly paths: AgentPaths;
}

const sharedInContainer = '/run/tidepool';
const pythonInContainer = '/run/tidepool-python';
const names = { status: 'status.json', store: 'store.sock' } as const;

/** The folder that agent and container share, and what is in it, as the agent sees them; it counts to the slot's quota. */
export function sharedPaths(slot: Slot): { readonly folder: string; readonly status: string; readonly store: string } {
  const folder = join(dirname(slot.workPath), 'shared');
  return { folder, status: join(folder, names.status), store: join(folder, names.store) };
}

/** How a service is run in a slot. */
export function servicePlan(spec: ServiceSpec, slot: Slot, runtimePath: string, vm: VmFacts): RunPlan {
  const { capacity, paths, hostname } = vm;
  const processes = spec.processes ?? capacity.cpus;
  const { argv, files } = underInit(slot, argvOf(spec));
  return {
    container: containerSpec({
      rootPath: runtimePath,
      argv,
      environment: {
        ...jobEnvironment(capacity.cpus / processes, spec.environment),
        PYTHONPATH: [pythonInContainer, spec.environment.PYTHONPATH].filter(Boolean).join(':'),
        PORT: String(spec.port),
        TIDEPOOL_PROTOCOL: spec.protocol,
        TIDEPOOL_PROCESSES: String(processes),
        TIDEPOOL_REQUEST_TIMEOUT_MS: String(spec.requestTimeoutMs),
        TIDEPOOL_MAX_BODY_BYTES: String(spec.maxBodyBytes),
        TIDEPOOL_SERVER: hostname,
        TIDEPOOL_STATUS: join(sharedInContainer, names.status),
        TIDEPOOL_STORE: join(sharedInContainer, names.store),
        ...(spec.entry.kind === 'handler' ? { TIDEPOOL_HANDLER: spec.entry.file } : {}),
      },
      firstUid: slot.firstUid,
      tmpBytes: capacity.memoryBytes / 2,
      workPath: slot.workPath,
      networkPath: paths.serviceNetwork,
      hostname,
      emptyFolders: ['/run'],
      files: [
        ...files,
        { from: sharedPaths(slot).folder, to: sharedInContainer, writable: true },
        { from: paths.python, to: pythonInContainer, writable: false },
      ],
    }),
    cgroup: serviceCgroupSettings(capacity),
    quota: diskQuota(serviceDiskBytes),
    timeoutMs: null,
    graceMs: serviceGraceMs,
  };
}

function argvOf({ entry }: ServiceSpec): readonly string[] {
  return entry.kind === 'command' ? entry.argv : ['python3', '-m', 'tidepool.serve'];
}
