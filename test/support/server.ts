import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { claim } from './claims.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const readyWithinMs = 300_000;
const printsWithinMs = 120_000;

/** A server in a process of its own, as a user starts it, on a free port and a data folder of its own. */
export interface TestServer {
  readonly url: string;
  readonly pid: number;
  /** Everything that it printed so far. */
  output(): string;
  signal(name: 'SIGINT' | 'SIGTERM' | 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void;
  /** Resolves with the exit code, or the signal's name, when `output` is whole. */
  readonly ended: Promise<number | string>;
}

export async function startServer(dataDir: string, args: readonly string[] = []): Promise<TestServer> {
  const child = spawn(join(root, 'tidepool'), ['serve', '--port', '0', '--data-dir', dataDir, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  // Its end is told when all that it printed has been read.
  const ended = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | string);
  child.stderr.on('data', (chunk) => {
    output += chunk;
  });
  const url = await readyLine(child, (line) => {
    output += `${line}\n`;
  }).catch((error: unknown) => {
    child.kill('SIGKILL');
    throw new Error(`the server did not get ready: ${String(error)}\n${output}`);
  });
  // What it wrote to stderr before is there by now, and is read in the same turn of the event loop as the line on stdout.
  await new Promise((resolve) => setImmediate(resolve));
  return { url, pid: child.pid ?? 0, output: () => output, signal: (name) => child.kill(name), ended };
}

function readyLine(child: ChildProcess, onLine: (line: string) => void): Promise<string> {
  return new Promise((resolve, reject) => {
    const limit = setTimeout(() => reject(new Error(`not within ${readyWithinMs} ms`)), readyWithinMs);
    child.once('exit', (code) => {
      clearTimeout(limit);
      reject(new Error(`it ended with ${code}`));
    });
    if (child.stdout === null) return reject(new Error('no standard output'));
    createInterface({ input: child.stdout }).on('line', (line) => {
      onLine(line);
      const url = /^ready (http\S+)$/.exec(line)?.[1];
      if (url === undefined) return;
      clearTimeout(limit);
      resolve(url);
    });
  });
}

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A running `tidepool` command. */
export interface RunningCommand {
  readonly child: ChildProcess;
  readonly done: Promise<CommandResult>;
  /** Resolves when stdout holds this text: it comes in pieces, and the first one may be half a line. */
  prints(text: string): Promise<void>;
}

/** Starts `./tidepool ARGS` against the server of a data folder. */
export function startTidepool(dataDir: string, args: readonly string[], cwd = root): RunningCommand {
  const env = { ...process.env, TIDEPOOL_DATA_DIR: dataDir };
  const child = spawn(join(root, 'tidepool'), args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.setEncoding('utf8').on('data', (chunk) => {
    stderr += chunk;
  });
  const done = once(child, 'close').then(([code]) => ({ code: Number(code), stdout, stderr }));
  const prints = async (text: string): Promise<void> => {
    const signal = AbortSignal.timeout(printsWithinMs);
    const ended = done.then(() => {
      if (!stdout.includes(text)) throw new Error(`it ended and did not print ${text}: ${stdout}\n${stderr}`);
    });
    while (!stdout.includes(text)) await Promise.race([once(child.stdout, 'data', { signal }), ended]);
  };
  return { child, done, prints };
}

/** Runs `./tidepool ARGS` against the server of a data folder to its end. */
export function tidepool(dataDir: string, args: readonly string[], cwd?: string): Promise<CommandResult> {
  return startTidepool(dataDir, args, cwd).done;
}

/** A new folder; `remove` deletes it. */
export async function temporaryFolder(name: string): Promise<{ path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), `tidepool-${name}-`));
  const release = await claim(path);
  const remove = async (): Promise<void> => {
    await rm(path, { recursive: true, force: true });
    await release();
  };
  return { path, remove };
}
