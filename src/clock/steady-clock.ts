import type { Clock } from '../domain/clock.ts';
import { systemClock } from './system-clock.ts';

/**
 * Real time for measuring: in fractions of a millisecond, and it goes on evenly when somebody sets the system's clock.
 * Its date is that of the process's start and what has passed since.
 */
export const steadyClock: Clock = {
  ...systemClock,
  now: () => performance.timeOrigin + performance.now(),
};
