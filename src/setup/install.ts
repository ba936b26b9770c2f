import type { Clock } from '../domain/clock.ts';
import { TidepoolError } from '../domain/errors.ts';
import { checkSystem, installCommand } from './check.ts';
import { type Exec, exec } from './exec.ts';
import { findCommand, type Host, thisHost } from './host.ts';
import { type Requirement, requirementsOf } from './requirements.ts';

/** What a set-up step is doing. `fraction` is 0 to 1. */
export type ReportSetup = (progress: { readonly label: string; readonly fraction: number }) => void;

export interface InstallOptions {
  readonly clock: Clock;
  /** Ends the waiting for another apt-get. */
  readonly signal?: AbortSignal | undefined;
  readonly requirements?: readonly Requirement[];
  readonly report?: ReportSetup | undefined;
  readonly host?: Host;
  readonly exec?: Exec;
}

const aptTimeLimitSeconds = 20 * 60;
const sudoTimeLimitMs = 10_000;
/** A machine that has just begun often updates its packages by itself. */
const lockTimeLimitMs = 15 * 60_000;
const lockPollMs = 2_000;
/** apt-get waits for dpkg's lock itself, but not for those of its package lists and downloads. */
const lockWords = /could not get lock/i;

/**
 * Installs the packages that are missing, when root or password-less sudo allows it. Does nothing when all is there.
 * Error `unavailable`: the message names what is missing and the command that brings it.
 */
export async function installMissing(options: InstallOptions): Promise<void> {
  const {
    clock,
    signal,
    report,
    requirements = requirementsOf('server'),
    host = thisHost(),
    exec: run = exec,
  } = options;
  const missing = checkSystem(requirements, host).filter(({ ok }) => !ok);
  if (missing.length === 0) return;
  const byHand = missing.filter(({ packages }) => packages.length === 0);
  const packages = [...new Set(missing.flatMap((check) => check.packages))];
  const prefix = packages.length > 0 ? await rootPrefix(host, run) : undefined;
  if (byHand.length > 0 || prefix === undefined) {
    const fixes = [...byHand.map(({ fix }) => fix), ...(packages.length > 0 ? [installCommand(packages, host)] : [])];
    const what = missing.map(({ name, detail }) => `  ${name}: ${detail}`).join('\n');
    throw new TidepoolError(
      'unavailable',
      `the system lacks\n${what}\nRun this, then start again:\n  ${fixes.join('\n  ')}`,
    );
  }
  const runApt: RunApt = (args, onLine) =>
    whenUnlocked({ clock, signal, report }, () => apt(run, prefix, args, onLine));
  await aptInstall(packages, { host, report, run: runApt });
  const still = checkSystem(requirements, host).filter(({ ok }) => !ok);
  if (still.length === 0) return;
  const names = still.map(({ name, detail }) => `${name} (${detail})`).join(', ');
  throw new TidepoolError('unavailable', `installed ${packages.join(' ')}, and the system still lacks ${names}`);
}

/** What makes a command run as root without a question; undefined when nothing does. */
async function rootPrefix(host: Host, run: Exec): Promise<readonly string[] | undefined> {
  if (findCommand(host, 'apt-get') === undefined) return undefined;
  if (host.uid === 0) return [];
  if (findCommand(host, 'sudo') === undefined) return undefined;
  const { exitCode } = await run(['sudo', '-n', 'true'], { timeoutMs: sudoTimeLimitMs });
  return exitCode === 0 ? ['sudo', '-n', 'env', 'DEBIAN_FRONTEND=noninteractive'] : undefined;
}

interface AptResult {
  readonly ok: boolean;
  readonly tail: string;
}

type RunApt = (args: readonly string[], onLine: (line: string) => void) => Promise<AptResult>;

interface AptOptions {
  readonly host: Host;
  readonly report: ReportSetup | undefined;
  readonly run: RunApt;
}

/** Runs apt-get again while another one has what it needs. */
async function whenUnlocked(
  { clock, signal, report }: Pick<InstallOptions, 'clock' | 'signal' | 'report'>,
  run: () => Promise<AptResult>,
): Promise<AptResult> {
  const endMs = clock.now() + lockTimeLimitMs;
  for (;;) {
    const result = await run();
    if (result.ok || !lockWords.test(result.tail) || clock.now() >= endMs) return result;
    report?.({ label: 'waiting for another apt-get to end', fraction: 0 });
    await clock.sleep(lockPollMs, signal);
  }
}

async function aptInstall(packages: readonly string[], { host, report, run }: AptOptions): Promise<void> {
  const onLine = (line: string): void => {
    const progress = aptProgress(line);
    if (progress !== undefined) report?.(progress);
  };
  const update = async (): Promise<void> => {
    report?.({ label: 'reading package lists', fraction: 0 });
    const { ok, tail } = await run(['update'], () => undefined);
    if (!ok) throw new TidepoolError('unavailable', `apt-get update failed:\n${tail}`);
  };
  const install = () => run(['install', '-y', '--no-install-recommends', ...packages], onLine);

  const hasLists = host.list('/var/lib/apt/lists').some((name) => name.includes('_Packages'));
  if (!hasLists) await update();
  let result = await install();
  if (!result.ok && hasLists) {
    // Old lists name package versions that the mirror no longer has.
    await update();
    result = await install();
  }
  if (!result.ok)
    throw new TidepoolError('unavailable', `apt-get install ${packages.join(' ')} failed:\n${result.tail}`);
}

/**
 * Gives apt our standard output as descriptor 3 for its status. Not as descriptor 1: dpkg keeps the status descriptor from
 * the packages' scripts, and one that finds its standard output closed fails (libgstreamer's did).
 */
const withStatus = ['sh', '-c', 'exec 3>&1 1>&2; exec "$@"', 'sh'];

async function apt(
  run: Exec,
  prefix: readonly string[],
  args: readonly string[],
  onLine: (line: string) => void,
): Promise<AptResult> {
  const settings = ['APT::Status-Fd=3', 'DPkg::Lock::Timeout=300', 'Dpkg::Use-Pty=0', 'Acquire::Retries=3'];
  // timeout(1) stands behind sudo, because an ordinary user may not signal what runs as root.
  const limit = ['timeout', '--kill-after=30', String(aptTimeLimitSeconds)];
  const command = [
    ...prefix,
    ...limit,
    ...withStatus,
    'apt-get',
    '-q',
    ...settings.flatMap((setting) => ['-o', setting]),
    ...args,
  ];
  const { exitCode, tail } = await run(command, { timeoutMs: (aptTimeLimitSeconds + 60) * 1000, onLine });
  return { ok: exitCode === 0, tail };
}

/**
 * Reads a line of apt's status output (`dlstatus:1:35.2:Retrieving file 3 of 9`, `pmstatus:tmux:60.0:Unpacking tmux`;
 * README.progress-reporting of apt). Fetching is the first half, installing the second.
 */
export function aptProgress(line: string): { label: string; fraction: number } | undefined {
  const match = /^(dlstatus|pmstatus):[^:]*(?::[^:]*)??:(\d+(?:\.\d+)?):(.*)$/.exec(line);
  if (match?.[3] === undefined) return undefined;
  const share = Math.min(Number(match[2]) / 100, 1) / 2;
  return { label: match[3], fraction: match[1] === 'dlstatus' ? share : 0.5 + share };
}
