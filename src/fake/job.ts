import type { Job, JobSpec } from '../domain/job.ts';
import { defaultJobLimits } from '../domain/limits.ts';

/** A job's spec with nothing special about it. */
export const emptySpec: JobSpec = {
  name: 'test.py',
  entrypoint: 'test.py',
  args: [],
  environment: {},
  runtime: 'python',
  limits: defaultJobLimits,
  network: false,
  priority: 0,
  labels: {},
  source: 'script',
  scriptBlob: '0'.repeat(64),
  dataBlob: null,
  requirementsBlob: null,
  inputBytes: { script: 0, data: 0, requirements: 0 },
};

/** A queued job for tests; every field may be given. */
export function queuedJob(fields: Partial<Job> = {}): Job {
  return {
    id: 'job-1',
    owner: 'admin',
    state: 'queued',
    spec: emptySpec,
    attempt: 0,
    vmName: null,
    cancelRequested: false,
    createdAtMs: 1_000,
    startedAtMs: null,
    endedAtMs: null,
    result: null,
    ...fields,
  };
}
