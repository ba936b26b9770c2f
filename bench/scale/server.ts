import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { startCloud } from '../../src/cmd/cloud.ts';
import { type Config, configSchema } from '../../src/config/schema.ts';
import { image } from '../../test/sim/parts.ts';
import { flavor, maxRunning, mostQueued, pools } from './fill.ts';
import { standIns } from './machines.ts';

const measuredMs = 30_000;
const tickMs = 5;

/** Messages of this process to its parent. */
export type Said =
  | { readonly kind: 'url'; readonly url: string }
  | { readonly kind: 'figures'; readonly figures: Figures };

/** Figures of a control plane that ran on the database of the folder. */
export interface Figures {
  /** 99th percentile of how late the event loop was. */
  readonly delayMs: number;
  /** The same by the CPU time of the thread, and the longest. */
  readonly ownDelayMs: number;
  readonly ownLongestMs: number;
  /** CPU time of the thread over the time that was measured. */
  readonly busy: number;
  readonly peakMiB: number;
}

/**
 * A whole control plane on the data folder, whose machines are stand-ins: the server as `tidepool serve` puts it together. It says
 * where it listens, measures when it is asked to, and ends when it is asked to.
 */
async function serve(folder: string, vms: number): Promise<void> {
  const options = {
    ...{ config: configFor(vms), dataDir: folder, cacheDir: join(folder, 'cache'), image },
    ...{ site: { problem: 'there is none' }, adminPassword: 'no one needs this password', log: () => undefined },
  };
  // It has no runtimes, but their folder is there, as after the preparations of `serve`.
  await mkdir(join(folder, 'cache', 'runtimes'), { recursive: true });
  const { url } = await startCloud(options, () => standIns(vms));
  process.on('message', async (what) => {
    // Thousands of attempts are under way; they are nobody's now.
    if (what === 'end') process.exit(0);
    say({ kind: 'figures', figures: await measure() });
  });
  say({ kind: 'url', url });
}

function say(message: Said): void {
  process.send?.(message);
}

function configFor(vms: number): Config {
  const size = vms / pools.length;
  return configSchema.parse({
    ...{ port: 0, accelerator: 'tcg', flavors: [flavor] },
    policies: [{ kind: 'backlog', name: 'queue', waitingPerVm: 4 }],
    pools: pools.map((name) => ({
      ...{ name, flavor: flavor.name, min: size, max: size },
      policies: ['mean30-80', 'target', 'predict', 'queue'],
    })),
    jobs: { maxQueued: mostQueued, limits: { maxRunning, maxStoredBytes: 1024 ** 4 } },
  });
}

async function measure(): Promise<Figures> {
  const delay = monitorEventLoopDelay({ resolution: tickMs });
  delay.enable();
  const [beganMs, cpuBeganMs] = [performance.now(), cpuMs()];
  const ownMs = await ownDelays(measuredMs);
  const busy = (cpuMs() - cpuBeganMs) / (performance.now() - beganMs);
  delay.disable();
  return {
    // A tick of the monitor itself is no delay.
    delayMs: delay.percentile(99) / 1e6 - tickMs,
    ownDelayMs: ownMs[Math.floor(0.99 * ownMs.length)] ?? 0,
    ownLongestMs: ownMs.at(-1) ?? 0,
    busy,
    peakMiB: process.resourceUsage().maxRSS / 1024,
  };
}

/**
 * How late the ticks of a timer would have been by the CPU time of this thread alone, in order, the shortest first. On a
 * machine that is busy with other things this leaves out the time for which the thread had no CPU.
 */
async function ownDelays(forMs: number): Promise<number[]> {
  const delays: number[] = [];
  const endMs = performance.now() + forMs;
  let beforeMs = cpuMs();
  while (performance.now() < endMs) {
    await sleep(tickMs);
    const nowMs = cpuMs();
    delays.push(Math.max(0, nowMs - beforeMs - tickMs));
    beforeMs = nowMs;
  }
  return delays.sort((a, b) => a - b);
}

function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}

const [folder = '', vms = '0'] = process.argv.slice(2);
if (import.meta.main) await serve(folder, Number(vms));
