import { open } from 'node:fs/promises';
import { TidepoolError } from '../../domain/errors.ts';
import { fileTrouble } from '../../domain/file-trouble.ts';

/** From the least to the most important. */
export const logLevels = ['debug', 'info', 'warning', 'error'] as const;
export type LogLevel = (typeof logLevels)[number];

/** Lines that wait for the next write; more are counted only. */
const mostPending = 50_000;

/** Where a log goes. Errors: `exhausted` when it cannot be written. */
export interface LogSink {
  append(text: string): Promise<void>;
  close(): Promise<void>;
}

/** Errors: `invalid` for a level that is none. */
export function parseLogLevel(text: string): LogLevel {
  const level = logLevels.find((known) => known === text.toLowerCase());
  if (level !== undefined) return level;
  throw new TidepoolError('invalid', `--loglevel ${text} is none of ${logLevels.join(', ')}`);
}

/** A file that is appended to. Errors: `invalid` when it cannot be written. */
export async function logFile(path: string): Promise<LogSink> {
  const file = await open(path, 'a').catch((cause: Error) => {
    throw new TidepoolError('invalid', `the log ${path} cannot be written: ${fileTrouble(cause)}`, { cause });
  });
  return {
    async append(text) {
      await file.appendFile(text).catch((cause: Error) => {
        throw new TidepoolError('exhausted', `the log ${path} cannot be written: ${fileTrouble(cause)}`, { cause });
      });
    },
    close: () => file.close(),
  };
}

/** A log as Python's `logging` writes it: time (UTC), level, message. */
export class Log {
  readonly #sink: LogSink;
  readonly #least: number;
  #pending: string[] = [];
  #omitted = 0;

  /** @param least the least important level that is written */
  constructor(sink: LogSink, least: LogLevel) {
    this.#sink = sink;
    this.#least = logLevels.indexOf(least);
  }

  /** Whether messages of this level are written. */
  takes(level: LogLevel): boolean {
    return logLevels.indexOf(level) >= this.#least;
  }

  /** Written at the next flush. */
  write(level: LogLevel, atMs: number, message: string): void {
    if (!this.takes(level)) return;
    if (this.#pending.length >= mostPending) this.#omitted += 1;
    else this.#pending.push(`${time(atMs)} ${level.toUpperCase()} ${message.replaceAll('\n', ' | ')}\n`);
  }

  /** Errors: as the sink. */
  async flush(): Promise<void> {
    const lines = this.#pending;
    this.#pending = [];
    if (this.#omitted > 0) lines.push(`... ${this.#omitted} lines are left out: writing does not keep up\n`);
    this.#omitted = 0;
    if (lines.length > 0) await this.#sink.append(lines.join(''));
  }

  async close(): Promise<void> {
    try {
      await this.flush();
    } finally {
      await this.#sink.close();
    }
  }
}

function time(atMs: number): string {
  return new Date(atMs).toISOString().replace('T', ' ').replace('.', ',').replace('Z', '');
}
