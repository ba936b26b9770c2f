import { connect } from 'node:net';
import type { Clock } from '../domain/clock.ts';
import { TidepoolError } from '../domain/errors.ts';
import { type Exec, exec } from './exec.ts';
import { findCommand, type Host, thisHost } from './host.ts';

export interface DaemonOptions {
  readonly clock: Clock;
  readonly host?: Host;
  readonly exec?: Exec;
  /** Whether something accepts connections on a unix socket. */
  readonly accepts?: (socketPath: string) => Promise<boolean>;
}

/** Both daemon layouts of libvirt: one daemon for all drivers, or one for each. */
export const systemSockets = ['/run/libvirt/libvirt-sock', '/run/libvirt/virtqemud-sock'] as const;
const logDaemonSocket = '/run/libvirt/virtlogd-sock';

const commandTimeLimitMs = 120_000;
const startTimeLimitMs = 60_000;
const pollMs = 100;
/** What libvirt's daemons say when another one of their kind runs, or begins just now. */
const rivalWords = /pid ?file/i;

/**
 * Sees to it that the system's libvirt daemon answers, when this is root; an ordinary user's session daemon is started
 * by the libvirt client when it connects. The daemon outlives this process. Error: `unavailable`.
 */
export async function ensureDaemons(options: DaemonOptions): Promise<void> {
  const { clock, host = thisHost(), exec: run = exec, accepts = acceptsConnections } = options;
  if (host.uid !== 0) return;
  await openKvmToItsGroup(host, run);
  const hasSystemd = host.exists('/run/systemd/system');
  const isUp = await anyAccepts(accepts);
  // Somebody who started libvirtd by hand may have left its log daemon out, and then no VM starts.
  const isLogUp = async (): Promise<boolean> => hasSystemd || (await accepts(logDaemonSocket));
  if (isUp && (await isLogUp())) return;
  const daemon = ['libvirtd', 'virtqemud'].find((name) => findCommand(host, name) !== undefined);
  if (daemon === undefined)
    throw new TidepoolError('unavailable', "no libvirt daemon is installed; run 'tidepool doctor'");

  const start = async (...command: string[]): Promise<void> => {
    const { exitCode, tail } = await run(command, { timeoutMs: commandTimeLimitMs });
    // Two servers may start at the same moment: the daemon of the other one will answer.
    if (exitCode === 0 || rivalWords.test(tail)) return;
    throw new TidepoolError('unavailable', `${command.join(' ')} ended with exit code ${exitCode}:\n${tail}`);
  };
  if (hasSystemd) {
    await start('systemctl', 'start', daemon);
  } else {
    if (!(await isLogUp())) await start('virtlogd', '-d');
    if (!isUp) await start(daemon, '-d');
  }
  for (let waitedMs = 0; !((await anyAccepts(accepts)) && (await isLogUp())); waitedMs += pollMs) {
    if (waitedMs >= startTimeLimitMs) {
      const silent = (await anyAccepts(accepts)) ? ['virtlogd', logDaemonSocket] : [daemon, systemSockets.join(' or ')];
      throw new TidepoolError(
        'unavailable',
        `${silent[0]} was started and does not answer on ${silent[1]}; see its log`,
      );
    }
    await clock.sleep(pollMs);
  }
}

/**
 * Without udev /dev/kvm is root's alone. libvirtd then finds KVM when it probes QEMU, not when QEMU's user runs it, and
 * probes again at every start of a VM: 48 s instead of 0.4 s. This is what udev would have done.
 */
async function openKvmToItsGroup(host: Host, run: Exec): Promise<void> {
  if (host.exists('/run/systemd/system') || !host.exists('/dev/kvm') || host.isGroupAccessible('/dev/kvm')) return;
  for (const command of [
    ['chgrp', 'kvm', '/dev/kvm'],
    ['chmod', '660', '/dev/kvm'],
  ]) {
    const { exitCode, tail } = await run(command, { timeoutMs: commandTimeLimitMs });
    if (exitCode !== 0) throw new TidepoolError('unavailable', `${command.join(' ')} failed: ${tail}`);
  }
}

/** Whether a libvirt daemon of the system answers now. */
export async function anyAccepts(accepts: (socketPath: string) => Promise<boolean>): Promise<boolean> {
  for (const path of systemSockets) {
    if (await accepts(path)) return true;
  }
  return false;
}

/** A socket file alone proves nothing: a daemon that was killed leaves it behind. */
export function acceptsConnections(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
