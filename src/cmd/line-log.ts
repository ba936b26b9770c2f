import { fstatSync, writeSync } from 'node:fs';
import type { Clock } from '../domain/clock.ts';

/** Where a log is written to, such as a standard stream. */
export interface LogSink {
  /** @param done is called when the text is written, or could not be */
  write(text: string, done: (error?: Error | null) => void): unknown;
  /** What waits to be written. */
  readonly writableLength: number;
}

/** A reader that stands still does not fill our memory: beyond this, lines count as lost. */
const mostWaiting = 4 * 1024 ** 2;

/**
 * The log of a process that goes on without it: on a full disk, or when nobody reads it any more. Lines that cannot be written are
 * counted, and their number is the first line when writing works again.
 */
export class LineLog {
  readonly #sink: LogSink;
  readonly #clock: Clock;
  readonly #prefix: string;
  #lost = 0;
  #reason = '';

  /** @param prefix of each line, after the time */
  constructor(sink: LogSink, clock: Clock, prefix = '') {
    this.#sink = sink;
    this.#clock = clock;
    this.#prefix = prefix;
  }

  /** Writes a line, with the time. Never throws. */
  print(message: string): void {
    if (this.#sink.writableLength > mostWaiting) {
      this.#lose(1, 'nobody reads it');
      return;
    }
    const lost = this.#lost;
    this.#lost = 0;
    const count = lost === 1 ? '1 line' : `${lost} lines`;
    const gap = lost === 0 ? '' : this.#line(`${count} of this log could not be written (${this.#reason})`);
    this.#sink.write(`${gap}${this.#line(message)}`, (error) => {
      if (error) this.#lose(lost + 1, (error as NodeJS.ErrnoException).code ?? error.message);
    });
  }

  #line(message: string): string {
    return `${new Date(this.#clock.now()).toISOString().slice(11, 23)} ${this.#prefix}${message}\n`;
  }

  #lose(lines: number, reason: string): void {
    this.#lost += lines;
    this.#reason = reason;
  }
}

/**
 * Returns the sink of standard error. A file is written to by ourselves: Node takes a write of which the disk took only a part for
 * done, and the next line would follow on half a line.
 */
export function standardErrorSink(stream: LogSink & { readonly fd: number }): LogSink {
  return isFile(stream.fd) ? new FileSink(stream.fd) : stream;
}

class FileSink implements LogSink {
  readonly writableLength = 0;
  readonly #fd: number;
  #isTorn = false;

  constructor(fd: number) {
    this.#fd = fd;
  }

  write(text: string, done: (error?: Error) => void): void {
    const bytes = Buffer.from(this.#isTorn ? `\n${text}` : text);
    let written = 0;
    try {
      while (written < bytes.length) written += writeSync(this.#fd, bytes, written);
    } catch (error) {
      this.#isTorn ||= written > 0;
      done(error as Error);
      return;
    }
    this.#isTorn = false;
    done();
  }
}

function isFile(fd: number): boolean {
  try {
    return fstatSync(fd).isFile();
  } catch {
    return false; // It is closed.
  }
}
