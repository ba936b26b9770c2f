/** Text for a terminal: lines of styled pieces, cut to its width, free of what would steer it. */

export type Color = 'red' | 'green' | 'yellow' | 'cyan' | 'grey';

export interface Span {
  readonly text: string;
  readonly color?: Color;
  readonly bold?: boolean;
}
export type Line = readonly Span[];

const colorCodes: Readonly<Record<Color, number>> = { red: 31, green: 32, yellow: 33, cyan: 36, grey: 90 };

/** A line of one piece. */
export function line(text: string, style: Omit<Span, 'text'> = {}): Line {
  return [{ text, ...style }];
}

/** Text from elsewhere: control characters, and those that take two columns or none, become `?`. */
export function clean(text: string): string {
  return text.replace(
    /[^\x20-\x7e\u00a1-\u00ac\u00ae-\u02ff\u0370-\u052f\u2010-\u2027\u2030-\u205e\u20a0-\u28ff]/gu,
    '?',
  );
}

/** Erases the rest of the row. Not after the last column: the cursor stays on it, and what it shows would go. */
const clearToEnd = '\x1b[K';

/** A line as one row of so many columns, with its styles as escape sequences (ECMA-48). */
export function encode(spans: Line, columns: number, withColor: boolean): string {
  let room = columns;
  let encoded = '';
  for (const { text, color, bold } of spans) {
    const part = text.slice(0, room);
    room -= part.length;
    const codes = [...(bold ? [1] : []), ...(withColor && color !== undefined ? [colorCodes[color]] : [])];
    encoded += codes.length === 0 || part === '' ? part : `\x1b[${codes.join(';')}m${part}\x1b[0m`;
  }
  return room > 0 ? encoded + clearToEnd : encoded;
}

/** A text as lines of at most so many columns, broken between words; what does not fit the last line is cut with `…`. */
export function wrap(text: string, columns: number, mostLines: number): string[] {
  const lines: string[] = [''];
  for (const word of text.split(' ')) {
    const last = lines.at(-1) ?? '';
    const longer = last === '' ? word : `${last} ${word}`;
    if (longer.length <= columns || last === '') lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  const kept = lines.slice(0, mostLines);
  if (lines.length > mostLines) kept[mostLines - 1] = `${(kept.at(-1) ?? '').slice(0, Math.max(0, columns - 2))} …`;
  return kept;
}
