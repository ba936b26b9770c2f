import { spawn } from 'node:child_process';
import { Duplex } from 'node:stream';
import { TidepoolError } from '../domain/errors.ts';
import type { Environment } from './socket-paths.ts';
import type { LibvirtUri } from './uri.ts';

const connectLimitSeconds = 15;
const keptErrorBytes = 4096;

/**
 * The daemon's socket through `ssh`, with the user's own keys and settings. The far side runs virt-ssh-helper, which
 * comes with libvirt >= 6.8; netcat is what older ones need. A refusal shows as the end of the stream, with what ssh
 * said as its error.
 */
export function openSsh(uri: LibvirtUri, env: Environment): Duplex {
  const ssh = spawn('ssh', sshArguments(uri), { stdio: ['pipe', 'pipe', 'pipe'], env: { ...env } });
  let said = '';
  ssh.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-keptErrorBytes);
  });
  const duplex = new Duplex({
    read: () => void ssh.stdout.resume(),
    // A write that fails means that ssh is ending, and its end says why.
    write: (chunk, _encoding, done) => void ssh.stdin.write(chunk, () => done()),
    final: (done) => void ssh.stdin.end(() => done()),
    destroy(error, done) {
      ssh.kill();
      done(error);
    },
  });
  const fail = (why: string) =>
    duplex.destroy(new TidepoolError('unavailable', `libvirt at ${uri.text} cannot be reached: ${why}`));
  ssh.stdout.on('data', (chunk: Buffer) => {
    if (!duplex.push(chunk)) ssh.stdout.pause();
  });
  ssh.stdin.on('error', () => undefined);
  ssh.on('error', (error) => fail(error.message));
  ssh.on('close', (code) => fail(said.trim() || `ssh ended with ${code}`));
  return duplex;
}

/** Exported for its test: what is passed on must never be read as an option or as another command. */
export function sshArguments(uri: LibvirtUri): string[] {
  const destination = uri.user === undefined ? uri.host : `${uri.user}@${uri.host}`;
  const keyFile = uri.parameters.get('keyfile');
  return [
    ...['-T', '-e', 'none', '-o', 'BatchMode=yes', '-o', `ConnectTimeout=${connectLimitSeconds}`],
    ...(uri.port === undefined ? [] : ['-p', String(uri.port)]),
    ...(keyFile === undefined ? [] : ['-i', keyFile]),
    '--',
    destination,
    `sh -c ${quoted(farScript(uri))}`,
  ];
}

function farScript(uri: LibvirtUri): string {
  const socket = uri.parameters.get('socket') ?? (uri.isSession ? undefined : '/run/libvirt/libvirt-sock');
  const helper = `exec virt-ssh-helper ${quoted(uri.remoteName)}`;
  if (socket === undefined) return helper;
  return `if command -v virt-ssh-helper >/dev/null 2>&1; then ${helper}; else exec nc -U ${quoted(socket)}; fi`;
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
