import type { PoolSnapshot, Recommendation } from '../../domain/scaling.ts';
import type { Policy, PolicyOf } from '../policy.ts';
import { Timetable } from '../timetable.ts';

type Schedule = PolicyOf<'schedule'>;

/** Times begin this much earlier while the time to get a VM ready was not measured. */
const unknownBootMs = 30_000;

/** At least so many VMs at set times. Outside of them it asks for none, and leaves the size to other policies. */
export function schedule(policy: Schedule, snapshot: PoolSnapshot, nowMs: number): Recommendation {
  // VMs shall be ready when the time comes, so it begins when a VM launched now would be.
  const readyAtMs = nowMs + (snapshot.bootMs ?? unknownBootMs);
  let desired = 0;
  let active: Time | undefined;
  for (const time of policy.times) {
    if (time.vms <= desired && active !== undefined) continue;
    if (!timetable(time).isOn(nowMs) && !timetable(time).isOn(readyAtMs)) continue;
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

/** What is likely not meant by the schedules among these policies, each with its policy and its times. */
export function scheduleDoubts(policies: readonly Policy[], nowMs: number): string[] {
  return policies.flatMap((policy) => {
    if (policy.kind !== 'schedule') return [];
    return policy.times.flatMap((time) =>
      timetable(time)
        .doubts(nowMs)
        .map((doubt) => `policy ${policy.name}, "${time.start}" to "${time.end}" ${time.timezone}: ${doubt}`),
    );
  });
}

type Time = Schedule['times'][number];

/** Evaluating cron expressions in each step would cost more than all the rest of the planner. */
const timetables = new WeakMap<Time, Timetable>();

function timetable(time: Time): Timetable {
  const table = timetables.get(time) ?? new Timetable(time);
  timetables.set(time, table);
  return table;
}
