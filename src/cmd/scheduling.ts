import type { JobsConfig } from '../config/jobs-schema.ts';
import { defaultUserRules, type SchedulingRules } from '../jobs/rules.ts';

/** The scheduler's rules from the configuration: a user's own settings, then those of all, then none. */
export function schedulingRules({ placement, fairness, limits, users }: JobsConfig): SchedulingRules {
  return {
    placement,
    ...fairness,
    userRules(user) {
      const own = Object.hasOwn(users, user) ? users[user] : undefined;
      return {
        weight: own?.weight ?? defaultUserRules.weight,
        maxRunning: own?.maxRunning ?? limits.maxRunning ?? defaultUserRules.maxRunning,
        maxCpus: own?.maxCpus ?? limits.maxCpus ?? defaultUserRules.maxCpus,
        maxQueued: own?.maxQueued ?? limits.maxQueued ?? defaultUserRules.maxQueued,
      };
    },
  };
}
