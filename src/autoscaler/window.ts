import type { CpuSample, PoolSnapshot, VmSnapshot } from '../domain/scaling.ts';
import { freshMs } from './missing.ts';
import type { Policy } from './policy.ts';

/** What a missing sample counts as: nothing when the pool may grow by it, full use when it may shrink. */
export type Missing = 0 | 1;

const secondMs = 1_000;
/** Seconds of samples are never exact; a sample that is half a second older still is that of its second. */
const slackMs = 500;
/** A decision comes at most this long after the samples were read. */
const lateMs = 5_000;
/** A VM of whose window less than this share was sampled counts as missing. */
const leastCoverage = 0.8;

/** The VMs whose CPU says something of the load: those in service. Booting, draining and paused ones are left out. */
export function readyVms(snapshot: PoolSnapshot): readonly VmSnapshot[] {
  return snapshot.vms.filter((vm) => vm.state === 'ready');
}

/** How far back these policies look at samples, with time for a decision that comes some seconds after the look. */
export function windowOf(policies: readonly Policy[]): number {
  const windowsOf = (policy: Policy): number[] => {
    if (policy.kind === 'target') return [policy.windowMs];
    return policy.kind === 'threshold' ? [policy.out.windowMs, policy.in?.windowMs ?? 0] : [];
  };
  return Math.max(freshMs, ...policies.flatMap(windowsOf)) + lateMs;
}

/** Mean CPU of one VM over the window that ends now; null when it has too few samples in it. */
export function meanCpu(samples: readonly CpuSample[], nowMs: number, windowMs: number): number | null {
  const sinceMs = nowMs - windowMs;
  let sum = 0;
  let count = 0;
  for (let i = samples.length - 1; i >= 0; i -= 1) {
    const sample = samples[i];
    if (sample === undefined || sample.atMs <= sinceMs) break;
    if (sample.atMs > nowMs) continue;
    sum += sample.cpu;
    count += 1;
  }
  const isCovered = count > 0 && count >= (leastCoverage * windowMs) / secondMs - 1;
  return isCovered ? sum / count : null;
}

/** Sum over the VMs of their mean CPU in the window: the load in VMs' worth. */
export function cpuSum(vms: readonly VmSnapshot[], nowMs: number, windowMs: number, missing: Missing): number {
  let sum = 0;
  for (const vm of vms) sum += meanCpu(vm.samples, nowMs, windowMs) ?? missing;
  return sum;
}

/** Mean CPU of the pool in each second of the window, newest first. */
export function cpuBySecond(
  vms: readonly VmSnapshot[],
  nowMs: number,
  windowMs: number,
  missing: Missing,
): readonly number[] {
  const seconds = Math.floor(windowMs / secondMs);
  const sums = new Array<number>(seconds).fill(0);
  for (const vm of vms) {
    const newest = vm.samples.findLastIndex((sample) => sample.atMs <= nowMs);
    for (let i = 0; i < seconds; i += 1) {
      const sample = vm.samples[newest - i];
      const isThere = sample !== undefined && sample.atMs > nowMs - (i + 1) * secondMs - slackMs;
      sums[i] = (sums[i] ?? 0) + (isThere ? sample.cpu : missing);
    }
  }
  return vms.length === 0 ? [] : sums.map((sum) => sum / vms.length);
}

/** A share of full use as a percentage for a person, and a number in a sentence. */
export function percent(share: number): string {
  return `${Number((share * 100).toFixed(1))} %`;
}

/** Rounded to what a person can use. */
export function round(value: number, digits = 2): number {
  return Number(value.toFixed(digits));
}
