import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { pipeline } from 'node:stream/promises';
import type { Clock } from '../domain/clock.ts';
import { TidepoolError } from '../domain/errors.ts';

/** One run of a host program. */
export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  /** Its standard input; an error of it stops the program and is thrown. */
  readonly input?: string | AsyncIterable<Uint8Array>;
  /** Set beside a minimal environment of our own. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly workingDirectory?: string;
  /** What an abort sends first; KILL follows when that does not help. Default TERM. */
  readonly stopSignal?: 'SIGTERM' | 'SIGKILL';
  /** Called for each line of stderr (and of stdout, unless that is kept). */
  readonly onLine?: (line: string) => void;
  /** Lines that say nothing about a failure; the last of the others are quoted in its message. */
  readonly isNoise?: (line: string) => boolean;
  /** Where stdout goes: kept and returned (at most 16 MiB), or read as lines. Default `lines`. */
  readonly stdout?: 'keep' | 'lines';
}

/** Runs a command to its end and returns the kept stdout. Errors: `not_found`, `upstream` (it failed), `aborted`. */
export type RunCommand = (command: Command) => Promise<string>;

const keptLines = 40;
const maxLineLength = 500;
const maxKeptBytes = 16 * 1024 * 1024;
/** mmdebstrap and dpkg clean up after TERM; what takes longer is killed. */
const killGraceMs = 10_000;

// The programs of mke2fs and depmod live in sbin, which an ordinary user's PATH lacks.
const environment = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C.UTF-8',
  DEBIAN_FRONTEND: 'noninteractive',
};

/** A RunCommand on real processes. The signal stops whatever runs. */
export function commandRunner(clock: Clock, signal?: AbortSignal): RunCommand {
  return async (command) => {
    if (isAborted(signal)) throw aborted(command);
    const child = spawn(command.program, command.args, {
      env: { ...environment, ...command.environment },
      stdio: ['pipe', 'pipe', 'pipe'],
      ...(command.workingDirectory === undefined ? {} : { cwd: command.workingDirectory }),
    });
    const tail: string[] = [];
    const onLine = (line: string): void => {
      command.onLine?.(line);
      if (command.isNoise?.(line) === true) return;
      tail.push(line.slice(0, maxLineLength));
      if (tail.length > keptLines) tail.shift();
    };
    const kept: Buffer[] = [];
    let keptBytes = 0;
    if (command.stdout === 'keep') {
      child.stdout.on('data', (chunk: Buffer) => {
        keptBytes += chunk.length;
        if (keptBytes <= maxKeptBytes) kept.push(chunk);
      });
    } else {
      createInterface({ input: child.stdout }).on('line', onLine);
    }
    createInterface({ input: child.stderr }).on('line', onLine);
    let inputError: unknown;
    feed(child, command.input ?? '').catch((error: unknown) => {
      inputError = error;
      child.kill('SIGKILL');
    });

    let cancelKill = (): void => undefined;
    const onAbort = (): void => {
      child.kill(command.stopSignal ?? 'SIGTERM');
      cancelKill = clock.after(killGraceMs, () => child.kill('SIGKILL'));
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      const end = await exit(child, command);
      if (isAborted(signal)) throw aborted(command);
      if (inputError !== undefined) throw inputError;
      if (end !== '') throw failed(command, end, tail);
      if (keptBytes > maxKeptBytes) throw failed(command, `printed more than ${maxKeptBytes} bytes`, tail);
      return Buffer.concat(kept).toString();
    } finally {
      signal?.removeEventListener('abort', onAbort);
      cancelKill();
    }
  };
}

/** Resolves when all is read, or the program ended without; that is judged by its exit code. Rejects as the input does. */
async function feed(child: ReturnType<typeof spawn>, input: string | AsyncIterable<Uint8Array>): Promise<void> {
  const { stdin } = child;
  if (stdin === null) return;
  let failure: { readonly error: unknown } | undefined;
  const source = async function* (): AsyncGenerator<string | Uint8Array> {
    try {
      if (typeof input === 'string') yield input;
      else yield* input;
    } catch (error) {
      failure = { error };
      throw error;
    }
  };
  await pipeline(source, stdin).catch(() => undefined);
  if (failure !== undefined) throw failure.error;
}

/** '' after success, otherwise how it ended. */
function exit(child: ReturnType<typeof spawn>, command: Command): Promise<string> {
  return new Promise((resolve, reject) => {
    child.on('error', (cause) => {
      const missing = 'code' in cause && cause.code === 'ENOENT';
      const what = missing ? `${command.program} is not installed` : `${command.program} cannot be started`;
      reject(new TidepoolError(missing ? 'not_found' : 'internal', `${what}; run 'tidepool doctor'`, { cause }));
    });
    child.on('close', (code, signalName) => {
      resolve(code === 0 ? '' : signalName === null ? `ended with exit code ${code}` : `was ended by ${signalName}`);
    });
  });
}

function failed(command: Command, how: string, tail: readonly string[]): TidepoolError {
  return new TidepoolError('upstream', `${command.program} ${how}:\n${tail.join('\n')}`, {
    details: { program: command.program },
  });
}

function aborted(command: Command): TidepoolError {
  return new TidepoolError('aborted', `${command.program} was stopped before its end`);
}

// A call, because the compiler would take a property read before the run for settled after it.
function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}
