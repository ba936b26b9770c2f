import { type RequestOutcome, requestOutcomes } from '../protocol/recording.ts';
import type { PoolHistory } from './history.ts';

/** Calls `visit` for each request of a pool. @param atMs when it was due  @param server who answered, or '' */
export function forEachRequest(
  { requests }: PoolHistory,
  visit: (atMs: number, tookMs: number, server: string, outcome: RequestOutcome) => void,
): void {
  for (const { atMs, dueMs, tookMs, server, outcome, servers } of requests) {
    for (const [i, due] of dueMs.entries()) {
      visit(atMs + due, tookMs[i] ?? 0, servers[server[i] ?? -1] ?? '', requestOutcomes[outcome[i] ?? -1] ?? 'ok');
    }
  }
}

/** How many requests of a pool there are. */
export function countRequests({ requests }: PoolHistory): number {
  return requests.reduce((sum, { dueMs }) => sum + dueMs.length, 0);
}

/** A request as it is drawn. */
export interface Mark {
  readonly atMs: number;
  readonly tookMs: number;
}

/** What a drawing shows: so many pixels for this time and for these response times, which are on a logarithmic scale. */
export interface Frame {
  readonly fromMs: number;
  readonly untilMs: number;
  readonly leastTookMs: number;
  readonly mostTookMs: number;
  readonly widthPixels: number;
  readonly heightPixels: number;
}

/** Calls `draw` for each request, with the group that it belongs to. */
type EachMark = (draw: (group: string, atMs: number, tookMs: number) => void) => void;

/**
 * At most `most` marks for any number of them. Of those that would cover one another one is drawn, the longest, in cells
 * of 1 pixel, or 2, 3 and so on where there are too many. A lone outlier has a cell of its own, so it stays. No mark stands
 * for one of another group. Pure.
 * @param each called for each size of cells, so that no list of all requests is needed
 */
export function thinMarks(
  each: EachMark,
  frame: Frame,
  most: number,
): { marks: Map<string, Mark[]>; cellPixels: number } {
  for (let cellPixels = 1; ; cellPixels += 1) {
    const cells = longestOfCells(each, frame, cellPixels);
    const count = [...cells.values()].reduce((sum, { size }) => sum + size, 0);
    if (count > most && cellPixels < frame.widthPixels) continue;
    return { marks: new Map([...cells].map(([group, some]) => [group, [...some.values()]])), cellPixels };
  }
}

function longestOfCells(each: EachMark, frame: Frame, cellPixels: number): Map<string, Map<number, Mark>> {
  const { fromMs, untilMs, leastTookMs, mostTookMs, widthPixels, heightPixels } = frame;
  const columns = Math.ceil(widthPixels / cellPixels);
  const perMs = widthPixels / cellPixels / Math.max(1, untilMs - fromMs);
  const perDecade = heightPixels / cellPixels / Math.max(0.1, Math.log10(mostTookMs / leastTookMs));
  const groups = new Map<string, Map<number, Mark>>();
  each((group, atMs, tookMs) => {
    const cells = groups.get(group) ?? new Map<number, Mark>();
    groups.set(group, cells);
    const row = Math.floor(Math.log10(tookMs / leastTookMs) * perDecade);
    const cell = row * (columns + 1) + Math.floor((atMs - fromMs) * perMs);
    const other = cells.get(cell);
    if (other === undefined || other.tookMs < tookMs) cells.set(cell, { atMs, tookMs });
  });
  return groups;
}
