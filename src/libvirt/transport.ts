import { readFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { type TLSSocket, connect as tlsConnect } from 'node:tls';
import type { Clock } from '../domain/clock.ts';
import { TidepoolError } from '../domain/errors.ts';
import { afterListening } from '../reconcile/lateness.ts';
import { startSessionDaemon } from './session-daemon.ts';
import { type Environment, sessionSockets, systemSockets } from './socket-paths.ts';
import { openSsh } from './ssh.ts';
import type { LibvirtUri } from './uri.ts';

export interface TransportOptions {
  readonly uri: LibvirtUri;
  readonly clock: Clock;
  readonly env: Environment;
}

const connectLimitMs = 15_000;
const tcpPort = 16_509;
const tlsPort = 16_514;

/** Opens the way to the daemon that the URI names. Errors: `unavailable`, `timeout`, `invalid`. */
export function openTransport(options: TransportOptions): Promise<Duplex> {
  const { uri, clock, env } = options;
  switch (uri.transport) {
    case 'unix':
      return openLocal(options);
    case 'tcp':
      return opened(connect(uri.port ?? tcpPort, uri.host), 'connect', uri, clock);
    case 'tls':
      return openTls(uri, clock);
    case 'ssh':
      return Promise.resolve(openSsh(uri, env));
  }
}

async function openLocal(options: TransportOptions): Promise<Duplex> {
  const { uri, clock, env } = options;
  const given = uri.parameters.get('socket');
  if (given !== undefined) return opened(connect(given), 'connect', uri, clock);
  const paths = uri.isSession ? sessionSockets(uri.driver, env) : systemSockets(uri.driver);
  const first = await firstThatAnswers(paths, uri, clock);
  if (first !== undefined) return first;
  if (!uri.isSession) throw notRunning(uri, paths);
  let found: Duplex | undefined;
  await startSessionDaemon(uri.driver, env, clock, async () => {
    found = await firstThatAnswers(paths, uri, clock);
    return found !== undefined;
  });
  if (found === undefined) throw notRunning(uri, paths);
  return found;
}

async function firstThatAnswers(paths: readonly string[], uri: LibvirtUri, clock: Clock): Promise<Duplex | undefined> {
  for (const path of paths) {
    try {
      return await opened(connect(path), 'connect', uri, clock);
    } catch (error) {
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause : undefined;
      const code = cause !== undefined && 'code' in cause ? cause.code : undefined;
      // No such socket, or one that a dead daemon left behind.
      if (code !== 'ENOENT' && code !== 'ECONNREFUSED') throw error;
    }
  }
  return undefined;
}

function notRunning(uri: LibvirtUri, paths: readonly string[]): TidepoolError {
  const message = `no libvirt daemon answers for ${uri.text} (looked at ${paths.join(', ')}); start it: as root, libvirtd -d, or systemctl start libvirtd`;
  return new TidepoolError('unavailable', message);
}

/** Certificates lie where libvirt looks for them (libvirt: docs/kbase/tlscerts.rst). */
async function openTls(uri: LibvirtUri, clock: Clock): Promise<Duplex> {
  const folder = uri.parameters.get('pkipath');
  const files =
    folder === undefined
      ? ['/etc/pki/CA/cacert.pem', '/etc/pki/libvirt/clientcert.pem', '/etc/pki/libvirt/private/clientkey.pem']
      : ['cacert.pem', 'clientcert.pem', 'clientkey.pem'].map((name) => join(folder, name));
  const [ca, cert, key] = await Promise.all(files.map((file) => readCertificate(file)));
  if (ca === undefined || cert === undefined || key === undefined)
    throw new TidepoolError('internal', 'a file is lost');
  const socket = tlsConnect({ host: uri.host, port: uri.port ?? tlsPort, servername: uri.host, ca, cert, key });
  await opened(socket, 'secureConnect', uri, clock);
  await confirmed(socket, uri, clock).catch((error: unknown) => {
    socket.destroy();
    throw error;
  });
  return socket;
}

async function readCertificate(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw new TidepoolError('invalid', `${file} cannot be read; TLS to libvirt needs it`, { cause });
  }
}

/** After the handshake the daemon checks our certificate and says 1 when it takes us. */
function confirmed(socket: TLSSocket, uri: LibvirtUri, clock: Clock): Promise<undefined> {
  return withLimit<undefined>(uri, clock, (resolve, reject) => {
    const refuse = () => reject(unreachable(uri, 'it refused our certificate'));
    socket.once('close', refuse);
    socket.once('readable', () => {
      const answer: Buffer | null = socket.read(1);
      socket.off('close', refuse);
      if (answer?.[0] === 1) resolve(undefined);
      else refuse();
    });
  });
}

/** Waits for the socket's own word that it is connected. */
function opened(socket: Socket, event: string, uri: LibvirtUri, clock: Clock): Promise<Socket> {
  socket.setNoDelay(true);
  return withLimit<Socket>(uri, clock, (resolve, reject) => {
    // Stays: between here and the connection's own listener an error must not be nobody's.
    socket.on('error', (cause) => reject(unreachable(uri, cause.message, cause)));
    socket.once(event, () => resolve(socket));
  }).catch((error: unknown) => {
    socket.destroy();
    throw error;
  });
}

function withLimit<T>(
  uri: LibvirtUri,
  clock: Clock,
  start: (resolve: (value: T) => void, reject: (error: TidepoolError) => void) => void,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const message = `libvirt at ${uri.text} did not take the connection within ${connectLimitMs / 1000} s`;
    const cancel = afterListening(clock, connectLimitMs, () => reject(new TidepoolError('timeout', message)));
    start(
      (value) => {
        cancel();
        resolve(value);
      },
      (error) => {
        cancel();
        reject(error);
      },
    );
  });
}

function unreachable(uri: LibvirtUri, why: string, cause?: unknown): TidepoolError {
  return new TidepoolError('unavailable', `libvirt at ${uri.text} cannot be reached: ${why}`, { cause });
}
