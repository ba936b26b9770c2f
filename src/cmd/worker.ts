import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { systemClock } from '../agent/clock.ts';
import { parseCpus, parseSize } from '../cli/units.ts';
import { systemClock as hostClock } from '../clock/system-clock.ts';
import { isRoot } from '../config/paths.ts';
import { TidepoolError } from '../domain/errors.ts';
import { workerNamePattern } from '../protocol/worker.ts';
import { installMissing } from '../setup/install.ts';
import { requirementsOf } from '../setup/requirements.ts';
import { runWorker } from '../worker/run.ts';
import { LineLog, standardErrorSink } from './line-log.ts';
import { progressDisplay } from './progress.ts';
import { version } from './version.ts';

export interface WorkerCommandOptions {
  readonly join?: string;
  readonly token?: string;
  readonly name?: string;
  readonly cpus?: string;
  readonly memory?: string;
  readonly dir?: string;
}

const defaultDir = '/var/lib/tidepool/worker';
const cgroups = '/sys/fs/cgroup';

/** `tidepool worker --join URL`: serves until it is dismissed. The first Ctrl-C or TERM takes leave, the second ends at once. */
export async function worker(options: WorkerCommandOptions): Promise<void> {
  const url = serverUrl(options.join);
  const token = options.token ?? process.env.TIDEPOOL_TOKEN ?? '';
  // Nothing that a job can see, nor what this starts, has it.
  delete process.env.TIDEPOOL_TOKEN;
  if (token === '') throw new TidepoolError('invalid', 'name the token by --token or TIDEPOOL_TOKEN');
  const name = options.name ?? ownName();
  if (!workerNamePattern.test(name))
    throw new TidepoolError(
      'invalid',
      `${JSON.stringify(name)} cannot name a worker: up to 24 lower-case letters, digits and dashes`,
    );
  if (!isRoot())
    throw new TidepoolError('invalid', 'a worker runs as root: it makes the containers and limits of jobs');
  const display = progressDisplay('system packages');
  await installMissing({ clock: hostClock, requirements: requirementsOf('worker'), report: display.show }).finally(
    display.end,
  );
  const { leaving, ending } = watchSignals();
  const lines = new LineLog(standardErrorSink(process.stderr), hostClock, 'worker: ');
  const log = (line: string): void => lines.print(line);
  await runWorker({
    ...{ url, token, name, version, cgroups, leaving, ending, pid: process.pid, clock: systemClock, sendTerm, log },
    folder: resolve(options.dir ?? defaultDir),
    share: {
      ...(options.cpus === undefined ? {} : { cpus: parseCpus(options.cpus) }),
      ...(options.memory === undefined ? {} : { memoryBytes: parseSize(options.memory) }),
    },
  });
}

function serverUrl(text: string | undefined): string {
  const url = text === undefined ? null : URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new TidepoolError('invalid', 'name the server by --join, as --join https://tidepool.example');
  return url.href.replace(/\/+$/, '');
}

function ownName(): string {
  return (hostname().split('.')[0] ?? '').toLowerCase().slice(0, 24);
}

function watchSignals(): { leaving: AbortSignal; ending: AbortSignal } {
  const [leaving, ending] = [new AbortController(), new AbortController()];
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => (leaving.signal.aborted ? ending : leaving).abort());
  }
  return { leaving: leaving.signal, ending: ending.signal };
}

function sendTerm(pid: number): void {
  try {
    process.kill(pid, 'SIGTERM');
  } catch {
    // It ended by itself in the meantime.
  }
}
