/** Where in an archive one of its files lies: from its header to the end of its packed bytes. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * Whether two spans share bytes, or one reaches beyond `end`. An archive in which they do unpacks the same bytes again and
 * again, to a size that nothing about it would let one expect. Pure.
 */
export function overlap(spans: readonly Span[], end: number): boolean {
  let free = 0;
  for (const span of spans.toSorted((a, b) => a.start - b.start)) {
    if (span.start < free) return true;
    free = span.end;
  }
  return free > end;
}
