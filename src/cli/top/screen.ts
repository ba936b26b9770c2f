import type { ReadStream, WriteStream } from 'node:tty';
import { encode, type Line } from './spans.ts';

/** Escape sequences of xterm: alternate screen, cursor, automatic wrapping, synchronized output. */
const enter = '\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J';
const leave = '\x1b[?7h\x1b[?25h\x1b[?1049l';
const beginUpdate = '\x1b[?2026h';
const endUpdate = '\x1b[?2026l';
const clear = '\x1b[2J';

/** The terminal as a screen that is drawn over again: only lines that changed are written, so that nothing flickers. */
export class Screen {
  readonly #input: ReadStream;
  readonly #output: WriteStream;
  readonly #withColor: boolean;
  readonly #onData: (chunk: Buffer) => void;
  readonly #onResize: () => void;
  #shown: string[] = [];
  #isOpen = false;

  /** @param onKey called with what each key sends  @param onResize called when the size has changed */
  constructor(
    input: ReadStream,
    output: WriteStream,
    options: { withColor: boolean; onKey(key: string): void; onResize(): void },
  ) {
    this.#input = input;
    this.#output = output;
    this.#withColor = options.withColor;
    this.#onData = (chunk) => options.onKey(chunk.toString('latin1'));
    this.#onResize = () => {
      this.#shown = [];
      this.#output.write(clear);
      options.onResize();
    };
  }

  get size(): { columns: number; rows: number } {
    return { columns: this.#output.columns || 80, rows: this.#output.rows || 24 };
  }

  open(): void {
    this.#isOpen = true;
    this.#output.write(enter);
    this.#output.on('resize', this.#onResize);
    if (!this.#input.isTTY) return;
    this.#input.setRawMode(true);
    this.#input.on('data', this.#onData);
  }

  /** A terminal that does not keep up misses frames rather than falling behind. */
  draw(lines: readonly Line[]): void {
    if (!this.#isOpen || this.#output.writableNeedDrain) return;
    const { columns } = this.size;
    const encoded = lines.map((line) => encode(line, columns, this.#withColor));
    let update = '';
    for (const [row, text] of encoded.entries()) {
      if (text !== this.#shown[row]) update += `\x1b[${row + 1};1H${text}`;
    }
    this.#shown = encoded;
    if (update !== '') this.#output.write(`${beginUpdate}${update}${endUpdate}`);
  }

  /** The terminal as it was before. May be called twice. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#output.off('resize', this.#onResize);
    this.#input.off('data', this.#onData);
    if (this.#input.isTTY) this.#input.setRawMode(false);
    this.#input.pause();
    this.#output.write(leave);
  }
}
