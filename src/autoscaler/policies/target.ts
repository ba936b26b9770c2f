import type { PoolSnapshot, Reason, Recommendation } from '../../domain/scaling.ts';
import type { PolicyOf } from '../policy.ts';
import { meanCpu, percent, round } from '../window.ts';

type Target = PolicyOf<'target'>;

/** The pool as the HPA divides its pods. */
interface Groups {
  /** CPU of the VMs in service that have been sampled for a whole window. */
  readonly metrics: readonly number[];
  /** On their way, or not yet in service for a whole window. */
  readonly unready: number;
  /** In service for longer, and no samples. */
  readonly missing: number;
}

interface Answer {
  readonly desired: number;
  readonly code: string;
  readonly ratio: number;
}

/** Keeps mean CPU at a target, computed as the Kubernetes HPA does (kubernetes `replica_calculator.go`). */
export function target(policy: Target, snapshot: PoolSnapshot, nowMs: number): Recommendation {
  const groups = groupVms(policy, snapshot, nowMs);
  if (groups.metrics.length === 0) {
    const text = 'no VM in service has been sampled for a whole window';
    return { policy: policy.name, desired: snapshot.desired, reason: { code: 'MissingMetrics', text, numbers: {} } };
  }
  const answer = replicas(policy, groups, snapshot.desired);
  const limit = Math.max(2 * snapshot.desired, 4);
  const desired = Math.min(answer.desired, limit);
  return { policy: policy.name, desired, reason: explain(policy, groups, answer, desired) };
}

function groupVms(policy: Target, snapshot: PoolSnapshot, nowMs: number): Groups {
  const metrics: number[] = [];
  let unready = 0;
  let missing = 0;
  for (const vm of snapshot.vms) {
    if (vm.state === 'creating' || vm.state === 'booting') unready += 1;
    if (vm.state !== 'ready') continue;
    const cpu = meanCpu(vm.samples, nowMs, policy.windowMs);
    if (nowMs - vm.stateSinceMs < policy.windowMs) unready += 1;
    else if (cpu === null) missing += 1;
    else metrics.push(cpu);
  }
  return { metrics, unready, missing };
}

/** GetResourceReplicas of the HPA, step by step. */
function replicas(policy: Target, groups: Groups, current: number): Answer {
  const { metrics, unready, missing } = groups;
  const used = metrics.reduce((sum, cpu) => sum + cpu, 0);
  const ratio = used / metrics.length / policy.cpu;
  const countsUnready = unready > 0 && ratio > 1;
  if (!countsUnready && missing === 0) {
    if (Math.abs(1 - ratio) <= policy.tolerance) return { desired: current, code: 'WithinTolerance', ratio };
    return { desired: ceil(ratio * metrics.length), code: 'RatioToTarget', ratio };
  }
  // Missing ones count as full use when shrinking and as none when growing; unready ones as none when growing.
  const counted = metrics.length + missing + (countsUnready ? unready : 0);
  const assumed = ratio < 1 ? missing : 0;
  const newRatio = (used + assumed) / counted / policy.cpu;
  const turnsRound = (ratio < 1 && newRatio > 1) || (ratio > 1 && newRatio < 1);
  if (Math.abs(1 - newRatio) <= policy.tolerance || turnsRound) {
    return { desired: current, code: turnsRound ? 'WouldTurnRound' : 'WithinTolerance', ratio: newRatio };
  }
  const desired = ceil(newRatio * counted);
  if ((newRatio < 1 && desired > current) || (newRatio > 1 && desired < current)) {
    return { desired: current, code: 'WouldTurnRound', ratio: newRatio };
  }
  return { desired, code: 'RatioToTarget', ratio: newRatio };
}

/** The HPA counts in whole thousandths; without this an error in the last bit would be a VM. */
function ceil(value: number): number {
  return Math.ceil(value - 1e-9);
}

function explain(policy: Target, groups: Groups, answer: Answer, desired: number): Reason {
  const { metrics, unready, missing } = groups;
  const ratio = round(answer.ratio, 3);
  const { cpu: target, windowMs } = policy;
  const numbers = { ratio, target, windowMs, sampled: metrics.length, unready, missing };
  const asked = `CPU is ${ratio} of the target ${percent(policy.cpu)}`;
  if (desired < answer.desired) {
    const text = `${asked}, which asks for ${answer.desired}; no more than twice as many at once`;
    return { code: 'ScaleUpLimit', text, numbers: { ...numbers, asked: answer.desired } };
  }
  if (answer.code === 'WithinTolerance') {
    return { code: answer.code, text: `${asked}, within ${percent(policy.tolerance)}`, numbers };
  }
  if (answer.code === 'WouldTurnRound') {
    const text = `${asked} as ${unready} unready and ${missing} missing VMs may change it, so it says nothing`;
    return { code: answer.code, text, numbers };
  }
  return { code: answer.code, text: asked, numbers };
}
