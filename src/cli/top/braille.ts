/** Dots of a braille cell (Unicode, U+2800): the left column from the top, then the right one. */
const dots = [
  [0x01, 0x02, 0x04, 0x40],
  [0x08, 0x10, 0x20, 0x80],
] as const;
const dotsPerCell = 4;

/**
 * A curve as rows of braille cells, two values a cell. Values are 0 to 1 and null where there is none; a cell that the
 * curve does not touch is a space. Pure.
 */
export function brailleCurve(values: readonly (number | null)[], rows: number): string[][] {
  const columns = Math.ceil(values.length / 2);
  const masks = Array.from({ length: rows }, () => new Array<number>(columns).fill(0));
  const height = rows * dotsPerCell;
  let before: number | null = null;
  for (const [x, value] of values.entries()) {
    const y = value === null ? null : dotOf(value, height);
    // A jump is drawn as an upright stroke, or steep parts would fall apart into dots.
    if (y !== null) for (const dot of between(before ?? y, y)) setDot(masks, x, dot);
    before = y;
  }
  return masks.map((row) => row.map((mask) => (mask === 0 ? ' ' : String.fromCodePoint(0x2800 + mask))));
}

/** The row of cells that a value lies in, from the top. */
export function rowOf(value: number, rows: number): number {
  return Math.floor(dotOf(value, rows * dotsPerCell) / dotsPerCell);
}

function dotOf(value: number, height: number): number {
  return Math.round((1 - Math.min(1, Math.max(0, value))) * (height - 1));
}

/** From the dot after `from` to `to`; just `to` when they are the same. */
function between(from: number, to: number): number[] {
  const step = Math.sign(to - from);
  if (step === 0) return [to];
  return Array.from({ length: Math.abs(to - from) }, (_, i) => from + step * (i + 1));
}

function setDot(masks: number[][], x: number, y: number): void {
  const row = masks[Math.floor(y / dotsPerCell)];
  const column = Math.floor(x / 2);
  const dot = dots[x % 2 === 0 ? 0 : 1][y % dotsPerCell];
  if (row !== undefined && dot !== undefined) row[column] = (row[column] ?? 0) | dot;
}
