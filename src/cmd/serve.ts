import { resolve } from 'node:path';
import { systemClock } from '../clock/system-clock.ts';
import { takeAdminPassword } from '../config/admin-password.ts';
import { loadConfig } from '../config/load.ts';
import { defaultCacheDir, defaultDataDir, prepareCacheDir } from '../config/paths.ts';
import { TidepoolError } from '../domain/errors.ts';
import { RepeatedLog } from '../reconcile/repeated-log.ts';
import { requirementsOf } from '../setup/requirements.ts';
import { type Cloud, startCloud } from './cloud.ts';
import { watchInterrupts } from './interrupt.ts';
import { LineLog, standardErrorSink } from './line-log.ts';
import { checkedPlanner } from './policies.ts';
import { prepare } from './prepare.ts';
import { reportStrayErrors } from './stray-errors.ts';
import { ensureSystem } from './system.ts';

export interface ServeOptions {
  readonly port?: string;
  readonly dataDir?: string;
  readonly config?: string;
  /** Of libvirt. */
  readonly url?: string;
  readonly keepVms?: boolean;
}

/** `tidepool serve`: sets up what is missing, runs until Ctrl-C, and gives the exit code. */
export async function serve(options: ServeOptions): Promise<number> {
  try {
    return await run(options);
  } finally {
    // A part that was given up may hold a socket or a timer. This one holds nothing, so it fires only when something else does.
    systemClock.after(lingerMs, () => process.exit());
  }
}

async function run(options: ServeOptions): Promise<number> {
  const config = await loadConfig(options.config, {
    ...(options.port === undefined ? {} : { port: parsePort(options.port) }),
    ...(options.url === undefined ? {} : { libvirtUri: options.url }),
  });
  checkedPlanner(config);
  const lines = new LineLog(standardErrorSink(process.stderr), systemClock);
  const repeated = new RepeatedLog(systemClock, (line) => lines.print(line));
  const log = (message: string): void => repeated.log(message);
  reportStrayErrors(log);
  const adminPassword = takeAdminPassword();
  const interrupts = watchInterrupts(() => {
    log('left at once: VMs that are still there are adopted by the next start');
    repeated.flush();
  });
  const requirements = requirementsOf('server', ...(config.jobs.pip === undefined ? [] : (['pip'] as const)));
  await ensureSystem(requirements, interrupts.first);
  const cacheDir = defaultCacheDir();
  await prepareCacheDir(cacheDir);
  const { image, site } = await prepare(cacheDir, interrupts.first);
  const cloud = await startCloud({
    config,
    dataDir: resolve(options.dataDir ?? defaultDataDir()),
    cacheDir,
    image,
    site,
    adminPassword,
    log,
  });
  try {
    await cloud.ready(interrupts.first);
    if (!interrupts.first.aborted) process.stdout.write(`ready ${cloud.url}\n`);
    await interrupts.firstCame;
  } catch (error) {
    await cloud.stop();
    throw error;
  }
  const exitCode = await leave(cloud, options.keepVms === true, log);
  repeated.flush();
  return exitCode;
}

/** Drains, or lets go at once with keepVms. Returns the exit code. */
function leave(cloud: Cloud, keepVms: boolean, log: (message: string) => void): Promise<number> {
  if (keepVms) {
    log('leaving the VMs as they are');
    return cloud.stop();
  }
  log('finishing what runs, then removing the VMs; Ctrl-C again leaves at once');
  return cloud.drain();
}

/** Time for what was given up to let go of the process, in milliseconds. */
const lingerMs = 5_000;

function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535)
    throw new TidepoolError('invalid', `--port ${text} is not a port (0 to 65535)`);
  return port;
}
