import { createInterface } from 'node:readline';
import type { ReadStream, WriteStream } from 'node:tty';
import { encode, type Line } from '../top/spans.ts';
import { type LoadView, statusLines, statusText } from './status.ts';

/** How a load is shown. */
export interface Display {
  /** Once a second. */
  show(view: LoadView): void;
  /** Something to read, of one or more lines. */
  say(text: string): void;
  /** Something that went wrong, or was not understood. */
  warn(text: string): void;
  /** Lines of a log that has no file; each with its end. */
  log(text: string): void;
  /** The terminal as it was before. May be called twice. */
  close(): void;
}

/** The streams of the process. */
export interface Streams {
  readonly stdin: ReadStream;
  readonly stdout: WriteStream;
  readonly stderr: WriteStream;
}

/** A line a second, as long as something happens. */
export function plainDisplay({ stdout, stderr }: Streams): Display {
  return {
    show(view) {
      if (view.recent.ended > 0 || view.inFlight > 0) stdout.write(`${statusText(view)}\n`);
    },
    say: (text) => void stdout.write(`${text}\n`),
    warn: (text) => void stderr.write(`${text}\n`),
    log: (text) => void stderr.write(text),
    close: () => undefined,
  };
}

/** Nothing but what went wrong: standard output is for the result. */
export function quietDisplay({ stderr }: Streams): Display {
  return {
    show: () => undefined,
    say: () => undefined,
    warn: (text) => void stderr.write(`${text}\n`),
    log: (text) => void stderr.write(text),
    close: () => undefined,
  };
}

const prompt = 'load> ';

/** A console on a terminal: who types, and when they leave. */
export interface Typing {
  onLine(line: string): void;
  /** Ctrl-C or Ctrl-D. */
  onLeave(): void;
}

/**
 * A few lines at the bottom of a terminal that are drawn over once a second, above them what has been said, below them the
 * prompt if there is somebody who types.
 */
export function terminalDisplay({ stdin, stdout }: Streams, withColor: boolean, typing: Typing | undefined): Display {
  const reader =
    typing === undefined
      ? undefined
      : createInterface({ input: stdin, output: stdout, prompt, terminal: true, historySize: 100 });
  let lines: readonly Line[] = [];
  let shownRows = 0;
  let isOpen = true;
  const draw = (said: string): void => {
    if (!isOpen) return;
    const rows = lines.map((line) => encode(line, Math.max(1, (stdout.columns || 80) - 1), withColor));
    const up = shownRows === 0 ? '' : `\x1b[${shownRows}A`;
    stdout.write(`\r${up}\x1b[J${said}${rows.map((row) => `${row}\n`).join('')}`);
    shownRows = rows.length;
    reader?.prompt(true);
  };
  reader?.on('line', (line) => {
    // The cursor is below what was typed, which becomes something that was said.
    shownRows += 1;
    draw(`${prompt}${line}\n`);
    typing?.onLine(line);
  });
  reader?.on('SIGINT', () => typing?.onLeave());
  reader?.on('close', () => typing?.onLeave());
  draw('');
  return {
    show(view) {
      lines = statusLines(view);
      draw('');
    },
    say: (text) => draw(`${text}\n`),
    warn: (text) => draw(`${withColor ? `\x1b[31m${text}\x1b[0m` : text}\n`),
    log: draw,
    close() {
      if (!isOpen) return;
      if (reader !== undefined) stdout.write('\r\x1b[K');
      isOpen = false;
      reader?.close();
    },
  };
}
