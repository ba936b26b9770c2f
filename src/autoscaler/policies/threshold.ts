import type { PoolSnapshot, Reason, Recommendation, VmSnapshot } from '../../domain/scaling.ts';
import type { PolicyOf } from '../policy.ts';
import { cpuBySecond, cpuSum, type Missing, percent, readyVms, round } from '../window.ts';

type Threshold = PolicyOf<'threshold'>;
type Rule = Pick<Threshold['out'], 'test' | 'windowMs' | 'cpu' | 'orEqual'>;

/** From this mean on CPU tells nothing more: the load may be any. */
const saturated = 0.98;
/** What adding up may be off by. */
const rounding = 1e-9;

/** Grows by a step when CPU was above a limit, shrinks by one VM when it was below another. */
export function threshold(policy: Threshold, snapshot: PoolSnapshot, nowMs: number): Recommendation {
  const vms = readyVms(snapshot);
  const { reason, ...answer } = recommend(policy, snapshot, vms, nowMs);
  return { ...answer, reason: { ...reason, numbers: { ...limitsOf(policy, vms.length), ...reason.numbers } } };
}

/** The limits as mean CPU of the pool, for who shows them. */
function limitsOf(policy: Threshold, ready: number): Record<string, number> {
  const { out, in: rule } = policy;
  const limits = { growAbove: out.cpu };
  if (rule === null) return limits;
  if (rule.test !== 'oneFewer') return { ...limits, shrinkBelow: rule.cpu };
  return ready < 2 ? limits : { ...limits, shrinkBelow: round((rule.cpu * (ready - 1)) / ready, 3) };
}

function recommend(
  policy: Threshold,
  snapshot: PoolSnapshot,
  vms: readonly VmSnapshot[],
  nowMs: number,
): Recommendation {
  const keep = (reason: Reason) => ({ policy: policy.name, desired: snapshot.desired, reason });
  if (vms.length === 0) return keep({ code: 'NoReadyVm', text: 'no VM is ready', numbers: {} });
  const high = measure(vms, nowMs, policy.out, 0);
  if (fulfils(high.least, policy.out)) return grow(policy, snapshot, vms.length, high.mean);
  const shrinking = policy.in === null ? undefined : shrink(policy.in, snapshot, vms, nowMs);
  if (shrinking === undefined) return keep(withinLimits(policy, high.mean, vms.length));
  return { policy: policy.name, desired: snapshot.desired - 1, reason: shrinking };
}

interface Measured {
  readonly mean: number;
  /** The least and the most that the rule looks at: of all seconds, or the one mean. */
  readonly least: number;
  readonly most: number;
}

function measure(vms: readonly VmSnapshot[], nowMs: number, rule: Rule, missing: Missing): Measured {
  if (rule.test === 'mean') {
    const mean = cpuSum(vms, nowMs, rule.windowMs, missing) / vms.length;
    return { mean, least: mean, most: mean };
  }
  const seconds = cpuBySecond(vms, nowMs, rule.windowMs, missing);
  const mean = seconds.reduce((sum, cpu) => sum + cpu, 0) / seconds.length;
  return { mean, least: Math.min(...seconds), most: Math.max(...seconds) };
}

function fulfils(cpu: number, rule: Rule): boolean {
  return rule.orEqual ? cpu >= rule.cpu - rounding : cpu > rule.cpu + rounding;
}

/**
 * A step is added to the VMs that are ready. Those on their way have been granted already, so that one evidence is not
 * counted twice while they boot.
 */
function grow(policy: Threshold, snapshot: PoolSnapshot, ready: number, cpu: number): Recommendation {
  const { stepVms, stepPercent, windowMs } = policy.out;
  const step = Math.max(stepVms, Math.ceil((stepPercent / 100) * ready), queueStep(snapshot, ready, cpu, windowMs));
  const desired = Math.max(snapshot.desired, ready + step);
  const numbers = { cpu: round(cpu, 3), limit: policy.out.cpu, windowMs, ready, step };
  const what = `CPU ${percent(cpu)} over ${windowMs / 1_000} s is above ${percent(policy.out.cpu)}`;
  if (desired > snapshot.desired) {
    return { policy: policy.name, desired, reason: { code: 'AboveThreshold', text: what, numbers } };
  }
  const coming = snapshot.desired - ready;
  const text = `${what}, and ${coming} more ${coming === 1 ? 'is' : 'are'} on the way`;
  return { policy: policy.name, desired, reason: { code: 'AlreadyGrowing', text, numbers } };
}

/** CPU that is used up hides how much too few they are; the queue shows it. At most doubles the pool. */
function queueStep(snapshot: PoolSnapshot, ready: number, cpu: number, windowMs: number): number {
  const { waiting, perVm, meanMs } = snapshot.backlog;
  if (cpu < saturated || meanMs === null || waiting === null) return 0;
  return Math.min(ready, Math.ceil((waiting * meanMs) / (perVm * windowMs)));
}

function shrink(
  rule: NonNullable<Threshold['in']>,
  snapshot: PoolSnapshot,
  vms: readonly VmSnapshot[],
  nowMs: number,
): Reason | undefined {
  const { lastInAtMs, lastOutAtMs } = snapshot.memory;
  const changedAtMs = Math.max(lastInAtMs ?? -Infinity, lastOutAtMs ?? -Infinity);
  // Samples from before the last change tell of a pool that is no more.
  if (nowMs - changedAtMs < rule.windowMs || snapshot.desired <= 1) return undefined;
  const numbers = { limit: rule.cpu, windowMs: rule.windowMs, ready: vms.length };
  if (rule.test === 'oneFewer') {
    const cpu = cpuSum(vms, nowMs, rule.windowMs, 1) / (vms.length - 1);
    if (!(cpu < rule.cpu - rounding)) return undefined;
    const text = `with one VM fewer CPU would be ${percent(cpu)}, still under ${percent(rule.cpu)}`;
    return { code: 'OneFewerIsEnough', text, numbers: { ...numbers, cpu: round(cpu, 3) } };
  }
  const { most: cpu } = measure(vms, nowMs, rule, 1);
  if (rule.orEqual ? cpu > rule.cpu + rounding : cpu >= rule.cpu - rounding) return undefined;
  const text = `CPU ${percent(cpu)} over ${rule.windowMs / 1_000} s is below ${percent(rule.cpu)}`;
  return { code: 'BelowThreshold', text, numbers: { ...numbers, cpu: round(cpu, 3) } };
}

function withinLimits(policy: Threshold, cpu: number, ready: number): Reason {
  const { windowMs, cpu: limit } = policy.out;
  const text = `CPU ${percent(cpu)} over ${windowMs / 1_000} s is within the limits`;
  return { code: 'WithinThresholds', text, numbers: { cpu: round(cpu, 3), limit, windowMs, ready } };
}
