import { type AttemptSpec, stopGraceMs } from '../protocol/agent.ts';
import { underInit } from './container-init.ts';
import type { RunPlan } from './container-run.ts';
import { containerSpec, jobEnvironment } from './container-spec.ts';
import { attemptCgroupSettings, diskQuota } from './limits.ts';
import type { Slot } from './slot.ts';

/** How an attempt is run in a slot. @param cpus how many the VM has */
export function attemptPlan(spec: AttemptSpec, slot: Slot, runtimePath: string, cpus: number): RunPlan {
  const { limits, image, args } = spec;
  const command = image?.command ?? ['python3', spec.entrypoint, ...args];
  const workFolder = image?.workingFolder ?? null;
  return {
    container: containerSpec({
      rootPath: runtimePath,
      ...underInit(slot, command),
      environment: jobEnvironment(limits.cpus, spec.environment),
      firstUid: slot.firstUid,
      tmpBytes: limits.memoryBytes / 2,
      workPath: slot.workPath,
      ...(workFolder === null ? {} : { workFolder }),
      ...(image === null ? {} : { user: { uid: image.uid, gid: image.gid } }),
    }),
    cgroup: attemptCgroupSettings(limits, cpus),
    quota: diskQuota(limits.diskBytes),
    timeoutMs: limits.timeoutMs,
    graceMs: stopGraceMs,
  };
}
