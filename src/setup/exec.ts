import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { TidepoolError } from '../domain/errors.ts';
import { systemFolders } from './host.ts';

/** How a command of the system ended. */
export interface ExecResult {
  /** Null when a signal ended it. */
  readonly exitCode: number | null;
  /** The last lines of stdout and stderr together; at most `keptLines`. */
  readonly tail: string;
}

/** Runs a command to its end. Errors: `unavailable` (it cannot be started), `timeout`. */
export type Exec = (command: readonly string[], options: ExecOptions) => Promise<ExecResult>;

export interface ExecOptions {
  readonly timeoutMs: number;
  /** Called for each line of stdout. */
  readonly onLine?: (line: string) => void;
}

const keptLines = 20;
const keptLineLength = 500;

/** An Exec on real processes, without a terminal: nothing can ask a question. */
export const exec: Exec = async (command, options) => {
  const [program = '', ...args] = command;
  const path = [process.env.PATH ?? '', ...systemFolders].join(':');
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: options.timeoutMs,
    env: { ...process.env, PATH: path, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8' },
  });
  const tail: string[] = [];
  const keep = (line: string): void => {
    tail.push(line.slice(0, keptLineLength));
    if (tail.length > keptLines) tail.shift();
  };
  createInterface({ input: child.stderr }).on('line', keep);
  createInterface({ input: child.stdout }).on('line', (line) => {
    keep(line);
    options.onLine?.(line);
  });
  const exitCode = await new Promise<number | null>((resolve, reject) => {
    child.on('error', (cause) => {
      reject(new TidepoolError('unavailable', `${program} cannot be started: ${cause.message}`, { cause }));
    });
    child.on('close', resolve);
  });
  if (exitCode === null && child.killed) {
    throw new TidepoolError('timeout', `${command.join(' ')} took longer than ${options.timeoutMs} ms`);
  }
  return { exitCode, tail: tail.join('\n') };
};
