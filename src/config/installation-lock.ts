import { createConnection, createServer, type Server } from 'node:net';
import { TidepoolError } from '../domain/errors.ts';

/** Facts about a server for another one of the same installation. */
export interface Holder {
  readonly dataDir: string;
  readonly pid: number;
  /** Undefined while it starts. */
  readonly url?: string;
}

/** The lock of an installation on this machine, held until it is closed, and at the latest until the process ends. */
export interface InstallationLock extends AsyncDisposable {
  /** Says where the server can be reached, from now on. */
  announce(url: string): void;
}

const answerWithinMs = 2_000;
const longestAnswer = 8_192;

/**
 * Takes the lock of an installation, so that no second server of it, such as that of a restored backup, takes the machines of the
 * first for its own leftovers. The lock is a socket in the kernel's abstract namespace: it is the same one for all users and
 * homes of the machine, needs no file and no permission, and ends with its holder, however that ends. Who connects to it learns
 * who holds it. Error: `conflict`, which names the holder.
 * @param ours what others are told of this server
 */
export async function lockInstallation(
  installationId: string,
  ours: { readonly dataDir: string; readonly pid: number },
): Promise<InstallationLock> {
  let holder: Holder = ours;
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy()); // Who asked has left.
    socket.setTimeout(answerWithinMs, () => socket.destroy());
    socket.end(JSON.stringify(holder));
  });
  const name = nameOf(installationId);
  const refusal = await listen(server, name);
  if (refusal !== undefined) throw await refusalOf(refusal, name, ours.dataDir);
  server.unref();
  return {
    announce(url) {
      holder = { ...ours, url };
    },
    [Symbol.asyncDispose]: () => new Promise((resolve) => void server.close(() => resolve())),
  };
}

/** Returns why it cannot listen; undefined when it does. */
function listen(server: Server, name: string): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    server.once('error', resolve);
    server.listen(name, () => {
      server.off('error', resolve);
      server.on('error', () => undefined); // A connection that could not be taken, for lack of descriptors: the lock stays.
      resolve(undefined);
    });
  });
}

async function refusalOf(cause: NodeJS.ErrnoException, name: string, dataDir: string): Promise<TidepoolError> {
  if (cause.code !== 'EADDRINUSE')
    return new TidepoolError('unavailable', `the lock of the installation cannot be taken: ${cause.message}`, {
      cause,
    });
  const holder = await ask(name);
  const [whose, where] =
    holder === undefined
      ? ['that of a server on this machine, which does not answer', '']
      : [
          holder.dataDir,
          `, whose server ${holder.url === undefined ? 'is starting' : `runs at ${holder.url}`} (process ${holder.pid})`,
        ];
  return new TidepoolError(
    'conflict',
    `${dataDir} is the same installation as ${whose}${where}; stop that one, or restore the backup with --as-new`,
    { cause },
  );
}

/** Whether a server of this installation runs on this machine, as far as can be seen. */
export function isInstallationRunning(installationId: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(nameOf(installationId));
    const end = (isRunning: boolean): void => {
      socket.destroy();
      resolve(isRunning);
    };
    // Only a refusal says that nobody listens.
    socket.on('error', (error: NodeJS.ErrnoException) => end(error.code !== 'ECONNREFUSED'));
    socket.on('connect', () => end(true));
    socket.setTimeout(answerWithinMs, () => end(true));
  });
}

function nameOf(installationId: string): string {
  return `\0tidepool-installation-${installationId}`;
}

/** Undefined when it says nothing that we understand. */
function ask(name: string): Promise<Holder | undefined> {
  return new Promise((resolve) => {
    let text = '';
    const socket = createConnection(name);
    const end = (): void => {
      socket.destroy();
      resolve(parse(text));
    };
    socket.setTimeout(answerWithinMs, end);
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      if (text.length > longestAnswer) end();
    });
    socket.on('error', end).on('end', end);
  });
}

function parse(text: string): Holder | undefined {
  try {
    const { dataDir, pid, url } = JSON.parse(text);
    if (typeof dataDir !== 'string' || typeof pid !== 'number') return undefined;
    return { dataDir, pid, ...(typeof url === 'string' ? { url } : {}) };
  } catch {
    return undefined;
  }
}
