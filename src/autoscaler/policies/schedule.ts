import { Cron } from 'croner';
import type { PoolSnapshot, Recommendation } from '../../domain/scaling.ts';
import type { PolicyOf } from '../policy.ts';

type Schedule = PolicyOf<'schedule'>;

/** Times begin this much earlier while the time to get a VM ready was not measured. */
const unknownBootMs = 30_000;

/** At least so many VMs at set times. Outside of them it asks for none, and leaves the size to other policies. */
export function schedule(policy: Schedule, snapshot: PoolSnapshot, nowMs: number): Recommendation {
  // VMs shall be ready when the time comes, so it begins when a VM launched now would be.
  const readyAtMs = nowMs + (snapshot.bootMs ?? unknownBootMs);
  let desired = 0;
  let active: Schedule['times'][number] | undefined;
  for (const time of policy.times) {
    if (time.vms <= desired && active !== undefined) continue;
    if (!isWithin(time, nowMs) && !isWithin(time, readyAtMs)) continue;
    desired = time.vms;
    active = time;
  }
  if (active === undefined) {
    return {
      policy: policy.name,
      desired,
      reason: { code: 'NoTime', text: 'no time of the schedule is on', numbers: {} },
    };
  }
  const text = `${active.vms} VMs from "${active.start}" to "${active.end}" ${active.timezone}`;
  return { policy: policy.name, desired, reason: { code: 'Scheduled', text, numbers: { vms: active.vms } } };
}

/** Within a time its end comes before its next start. */
function isWithin(time: Schedule['times'][number], atMs: number): boolean {
  const start = nextMs(time.start, time.timezone, atMs);
  const end = nextMs(time.end, time.timezone, atMs);
  return end < start;
}

function nextMs(pattern: string, timezone: string, atMs: number): number {
  return new Cron(pattern, { timezone, paused: true }).nextRun(new Date(atMs))?.getTime() ?? Number.POSITIVE_INFINITY;
}
