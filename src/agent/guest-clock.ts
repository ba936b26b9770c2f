import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { TidepoolError } from '../domain/errors.ts';
import type { ClockSetting } from '../protocol/agent.ts';
import { type AgentClock, sleep } from './clock.ts';
import { startLauncher } from './launcher.ts';

/** A clock that is this near is left as it is. */
const goodEnoughMs = 20;
/** From the word to the waiting shell until the clock is set, under emulation. */
const settingTakesMs = 10;

/** Reads the body of POST /v1/clock. Error: `invalid`. */
export function parseClockSetting(text: string): ClockSetting {
  const setting: unknown = JSON.parse(text);
  if (typeof setting === 'object' && setting !== null && 'nowMs' in setting) {
    const { nowMs } = setting;
    if (typeof nowMs === 'number' && Number.isSafeInteger(nowMs) && nowMs > 0) return { nowMs };
  }
  throw new TidepoolError('invalid', 'the clock is set by {"nowMs": milliseconds since 1970}');
}

/**
 * Sets the guest's clock. busybox's date only sets whole seconds, so when it is off by much it is set to the nearest
 * second at once, and then to the millisecond as the next second begins; a VM that enters service waits only for the first.
 * @param nowMs the right time at the moment of the call
 */
export async function setGuestClock(clock: AgentClock, nowMs: number): Promise<void> {
  const calledAtMs = performance.now();
  const rightNow = (): number => nowMs + performance.now() - calledAtMs;
  if (Math.abs(clock.now() - rightNow()) > 1_000) await setSeconds(Math.round(rightNow() / 1000));
  if (Math.abs(clock.now() - rightNow()) > goodEnoughMs) void setPrecisely(clock, rightNow).catch(() => undefined);
}

async function setSeconds(seconds: number): Promise<void> {
  const date = spawn('busybox', ['date', '-s', `@${seconds}`], { stdio: 'ignore' });
  const [code] = await once(date, 'exit');
  if (code !== 0) throw new TidepoolError('internal', `the guest's clock cannot be set: date ended with ${code}`);
}

/** A shell that stands ready sets it, so that no process start comes between the second and the setting. */
async function setPrecisely(clock: AgentClock, rightNow: () => number): Promise<void> {
  const launcher = await startLauncher('', 'busybox date -s "@$extra"', []);
  const second = Math.ceil((rightNow() + settingTakesMs) / 1000);
  await sleep(clock, Math.max(0, second * 1000 - settingTakesMs - rightNow()));
  launcher.process.stdin?.end(`${second}\n`);
  await launcher.exited;
}
