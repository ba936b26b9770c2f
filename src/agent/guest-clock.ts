import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { TidepoolError } from '../domain/errors.ts';
import type { AgentClock } from './clock.ts';

/** A clock that is this near is left as it is. */
const goodEnoughMs = 20;
/** From the start of a process until it sets the clock, under emulation. */
const settingTakesMs = 15;

/**
 * Sets the guest's clock, within some hundredths of a second.
 * @param nowMs milliseconds since 1970, as of the call
 */
export async function setGuestClock(clock: AgentClock, nowMs: number): Promise<void> {
  if (Math.abs(clock.now() - nowMs) <= goodEnoughMs) return;
  const date = spawn('date', ['-s', `@${((nowMs + settingTakesMs) / 1000).toFixed(3)}`], { stdio: 'ignore' });
  const [code] = await once(date, 'exit');
  if (code !== 0) throw new TidepoolError('internal', `the guest's clock cannot be set: date ended with ${code}`);
}
