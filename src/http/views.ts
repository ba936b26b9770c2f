import { type Job, jobStates } from '../domain/job.ts';
import { jobEndText } from '../domain/job-end.ts';
import type { Holding } from '../domain/queue.ts';
import type { Vm } from '../domain/vm.ts';
import { poolCounts } from '../pool/census.ts';
import type { JobView, PoolView, VmView } from '../protocol/api.ts';
import type { HttpContext, ServedPool } from './context.ts';

/** A job as the API shows it. */
export async function jobView(context: HttpContext, job: Job): Promise<JobView> {
  const { spec, result } = job;
  const waiting = job.state === 'queued' ? await context.waiting(job) : null;
  return {
    id: job.id,
    name: spec.name,
    owner: job.owner,
    state: job.state,
    ended: jobStates[job.state].ended,
    reason: waiting?.reason.text ?? reasonOf(job, context.troubleOf(job.id)),
    waiting: waiting === null ? null : { ...waiting.reason, place: waiting.place },
    priority: spec.priority,
    labels: spec.labels,
    runtime: spec.runtime,
    source: spec.source,
    entrypoint: spec.entrypoint,
    args: [...spec.args],
    inputBytes: spec.inputBytes,
    limits: spec.limits,
    attempt: job.attempt,
    vm: job.vmName,
    createdAtMs: job.createdAtMs,
    startedAtMs: job.startedAtMs,
    endedAtMs: job.endedAtMs,
    exitCode: result?.exitCode ?? null,
    signal: result?.signal ?? null,
    syntaxProblem: result?.syntaxProblem ?? null,
    wallMs: result?.wallMs ?? null,
    cpuMs: result?.cpuMs ?? null,
    peakMemoryBytes: result?.peakMemoryBytes ?? null,
    limitsHit: [...(result?.limitsHit ?? [])],
    outputTruncated: result?.outputTruncated ?? false,
  };
}

/** @param trouble of the server's own that it waits for */
function reasonOf(job: Job, trouble: string | undefined): string {
  const isHeld = trouble !== undefined && !jobStates[job.state].ended;
  return isHeld ? `${jobEndText(job)}; it waits for the server: ${trouble}` : jobEndText(job);
}

/** A VM as the API shows it; its key never leaves the server. @param held what jobs hold of it */
export function vmView(vm: Vm, held: readonly Pick<Holding, 'jobId'>[]): VmView {
  return {
    name: vm.name,
    pool: vm.pool,
    state: vm.state,
    reason: vm.reason,
    stateSinceMs: vm.stateSinceMs,
    createdAtMs: vm.createdAtMs,
    flavor: vm.flavor,
    imageId: vm.imageId,
    agent: vm.host === null || vm.port === null ? null : `${vm.host}:${vm.port}`,
    runtimes: [...vm.runtimes],
    jobs: held.map(({ jobId }) => jobId),
  };
}

/** A pool as the API shows it. @param vms those of the pool */
export function poolView(pool: ServedPool, vms: readonly Vm[]): PoolView {
  const { min, max, warm, policies, paused } = pool.controller.size.settings;
  const decision = pool.autoscaler.lastDecision;
  return {
    name: pool.name,
    flavor: pool.flavor,
    settings: { min, max, warm, policies: [...policies] },
    paused,
    counts: poolCounts(vms, pool.controller.size.desired),
    waitsFor: pool.controller.waitsFor,
    decision:
      decision === undefined
        ? null
        : { ...decision, recommendations: [...decision.recommendations], limits: [...decision.limits] },
  };
}
