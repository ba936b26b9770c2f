import { type Counts, type Point, withGaps } from '../history.ts';
import type { Panel, PanelInput, PanelSeries } from '../panel.ts';

/** VMs by state over time: how many are wanted, and how many there are. */
export function countsPanel(input: PanelInput): Panel {
  const { theme, pool } = input;
  const other = (['warm', 'booting', 'draining', 'failed'] as const).filter((name) =>
    pool.counts.some(({ counts }) => counts[name] > 0),
  );
  const otherColors = { warm: theme.series[6], booting: theme.busy, draining: theme.series[3], failed: theme.bad };
  return {
    title: 'VMs',
    heightPixels: 150,
    yAxis: { min: 0, minInterval: 1 },
    series: [
      curve(input, 'ready', { color: theme.good, areaStyle: { opacity: 0.15 }, lineStyle: { width: 2 } }),
      ...other.map((name) => curve(input, name, { color: otherColors[name], lineStyle: { width: 1.5 } })),
      // The last one is on top: where all that is wanted is ready, both are seen.
      curve(input, 'desired', { color: theme.ink, lineStyle: { width: 1.5, type: 'dashed' } }),
    ],
  };
}

function curve({ history, pool }: PanelInput, name: keyof Counts, style: Record<string, unknown>): PanelSeries {
  const points = pool.counts.map(({ atMs, counts }): Point => [atMs, counts[name]]);
  return {
    type: 'line',
    name,
    step: 'end',
    data: changesOnly(withGaps(points, history.gapMs)),
    symbol: 'none',
    ...style,
  };
}

/** Steps need only the points before and after a change. */
function changesOnly(points: readonly Point[]): Point[] {
  return points.filter((point, i) => point[1] !== points[i - 1]?.[1] || point[1] !== points[i + 1]?.[1]);
}
