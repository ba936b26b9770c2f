import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from './free-port.ts';
import { until } from './poll.ts';

/** The folder that has the Python package of services. */
export const pythonFolder = fileURLToPath(new URL('../../src/agent/python/', import.meta.url));
const address = '127.0.0.1';
const startLimitMs = 60_000;
const replyLimitMs = 60_000;
const letGoFile = 'go';
/** Python, for a handler: `wait_for_go()`. */
export const waitsForGo = `
import os, time

def wait_for_go():
    while not os.path.exists("${letGoFile}"):
        time.sleep(0.01)
`;

/** Python, to run before the harness: what is in flight when it ends has the time that a slow machine needs. */
export const patient = 'import tidepool.supervisor as s, tidepool.worker as w\ns.GRACE_S = w.GRACE_S = 60';

/** The harness's status file; see src/protocol/agent-service.ts. */
export interface HarnessStatus {
  readonly state: string;
  readonly message: string;
  readonly traceback: string;
  readonly restarts: number;
  readonly inFlight: number;
  readonly requests: number;
  readonly errors: number;
}

export interface HarnessOptions {
  readonly protocol?: 'http' | 'tcp' | 'udp';
  /** Name of the handler's file. */
  readonly file?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** Python that runs before the harness does, to make its time limits short. */
  readonly before?: string;
  /** Returns before the handler is there. */
  readonly isAwaited?: boolean;
}

/** The harness of services, as a process of this machine's python3 on a free port, with its files in a folder of its own. */
export class Harness {
  readonly port: number;
  readonly folder: string;
  readonly process: ChildProcess;
  /** Exit code, or the signal's name. */
  readonly exited: Promise<number | string>;
  #output = '';

  private constructor(port: number, folder: string, process: ChildProcess) {
    this.port = port;
    this.folder = folder;
    this.process = process;
    process.stdout?.on('data', (chunk) => {
      this.#output += chunk;
    });
    process.stderr?.on('data', (chunk) => {
      this.#output += chunk;
    });
    this.exited = once(process, 'close').then(([code, signal]) => code ?? signal);
  }

  /** @param source of the handler, in Python */
  static async start(source: string | Uint8Array, options: HarnessOptions = {}): Promise<Harness> {
    const folder = await mkdtemp(join(tmpdir(), 'tidepool-harness-'));
    const file = options.file ?? 'service.py';
    await writeFile(join(folder, file), source);
    const port = await freePort();
    const main =
      options.before === undefined
        ? ['-m', 'tidepool.serve']
        : ['-c', `import sys\n${options.before}\nfrom tidepool.serve import main\nsys.exit(main())`];
    const child = spawn('python3', main, {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        PYTHONPATH: pythonFolder,
        PYTHONDONTWRITEBYTECODE: '1',
        PORT: String(port),
        TIDEPOOL_HOST: address,
        TIDEPOOL_PROTOCOL: options.protocol ?? 'http',
        TIDEPOOL_HANDLER: file,
        TIDEPOOL_PROCESSES: '1',
        TIDEPOOL_SERVER: 'vm-1',
        TIDEPOOL_STATUS: join(folder, 'status.json'),
        ...options.environment,
      },
    });
    const harness = new Harness(port, folder, child);
    if (options.isAwaited !== false) await harness.until(({ state }) => state === 'serving');
    return harness;
  }

  /** What it wrote to stdout and stderr. */
  get output(): string {
    return this.#output;
  }

  async status(): Promise<HarnessStatus | undefined> {
    const text = await readFile(join(this.folder, 'status.json'), 'utf8').catch(() => undefined);
    return text === undefined ? undefined : JSON.parse(text);
  }

  /** Waits for a status, and gives it. */
  async until(isSo: (status: HarnessStatus) => boolean): Promise<HarnessStatus> {
    const status = await until(
      async () => {
        const seen = await this.status();
        return { seen, exitCode: this.process.exitCode, output: this.#output.slice(-2_000) };
      },
      ({ seen }) => seen !== undefined && isSo(seen),
      startLimitMs,
    );
    if (status.seen === undefined) throw new Error('unreachable');
    return status.seen;
  }

  /** Makes the file that a handler waits for: it works for as long as the test needs it to. */
  async letGo(): Promise<void> {
    await writeFile(join(this.folder, letGoFile), '');
  }

  /** A request over HTTP. */
  fetch(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`http://${address}:${this.port}${path}`, { signal: AbortSignal.timeout(replyLimitMs), ...init });
  }

  connect(): Socket {
    return connect(this.port, address).setNoDelay();
  }

  /** Sends bytes over TCP and gives all that comes back until the other end closes, or ours when `isEnded`. */
  async exchange(bytes: string | Uint8Array, isEnded = false): Promise<string> {
    const socket = this.connect();
    socket.setTimeout(replyLimitMs, () =>
      socket.destroy(new Error(`no end of the answer to ${JSON.stringify(bytes)}`)),
    );
    if (isEnded) socket.end(bytes);
    else socket.write(bytes);
    const answer: Buffer[] = [];
    for await (const chunk of socket) answer.push(chunk);
    return Buffer.concat(answer).toString('latin1');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.process.exitCode === null && this.process.signalCode === null) this.process.kill('SIGKILL');
    await this.exited;
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Sends a datagram, and gives the answer; undefined when none came within `limitMs`. */
export async function askByDatagram(
  port: number,
  bytes: Uint8Array,
  limitMs = replyLimitMs,
): Promise<Buffer | undefined> {
  const socket = createSocket('udp4');
  try {
    socket.connect(port, address);
    await once(socket, 'connect');
    socket.send(bytes);
    const [answer] = await once(socket, 'message', { signal: AbortSignal.timeout(limitMs) });
    return answer;
  } catch (error) {
    if (error instanceof Error && error.name === 'AbortError') return undefined;
    throw error;
  } finally {
    socket.close();
  }
}
