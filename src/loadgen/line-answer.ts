import type { AnswerReader } from './stream-lane.ts';

const lf = 0x0a;
const mostLineBytes = 1024 ** 2;

/** Reads answers of one line each. */
export class LineAnswer implements AnswerReader {
  readonly outcome = 'ok';
  readonly server = undefined;
  keepsOpen = true;
  #readBytes = 0;

  reset(): void {
    this.#readBytes = 0;
    this.keepsOpen = true;
  }

  read(bytes: Buffer, length: number): 'more' | 'done' | 'bad' {
    const found = bytes.indexOf(lf);
    const isWhole = found >= 0 && found < length;
    this.#readBytes += isWhole ? found + 1 : length;
    if (this.#readBytes > mostLineBytes) return 'bad';
    if (!isWhole) return 'more';
    // A second line would be taken for the next answer.
    this.keepsOpen = found + 1 === length;
    return 'done';
  }

  end(): boolean {
    return false;
  }
}
