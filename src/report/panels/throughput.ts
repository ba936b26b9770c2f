import type { Point } from '../history.ts';
import type { Panel, PanelInput, PanelSeries } from '../panel.ts';
import { countRequests, forEachRequest } from '../requests.ts';
import { vmStyles } from './vm-colors.ts';

const heightPixels = 130;
const mostBins = 300;
const failed = 'failed';

/** Requests a second, by when they were due and by who answered; undefined when there are none. */
export function throughputPanel(input: PanelInput): Panel | undefined {
  const { pool, history, theme } = input;
  if (countRequests(pool) === 0) return undefined;
  const binMs = Math.max(1_000, Math.ceil((history.untilMs - history.fromMs) / mostBins / 1_000) * 1_000);
  // The last one is left out where it is not whole: it would look like a drop.
  const bins = Math.max(1, Math.floor((history.untilMs - history.fromMs) / binMs));
  const counts = new Map<string, number[]>();
  forEachRequest(pool, (atMs, _tookMs, server, outcome) => {
    const key = outcome === 'ok' ? server : failed;
    const known = counts.get(key) ?? new Array<number>(bins).fill(0);
    counts.set(key, known);
    const bin = Math.floor((atMs - history.fromMs) / binMs);
    if (bin < bins) known[bin] = (known[bin] ?? 0) + 1;
  });
  const styles = vmStyles(input);
  const series = [...styles.keys(), '', failed].flatMap((name): PanelSeries[] => {
    const perBin = counts.get(name);
    if (perBin === undefined) return [];
    // A step holds until the next point, and the last one until the end of its bin.
    const data = [...perBin, perBin.at(-1) ?? 0].map(
      (count, i): Point => [history.fromMs + i * binMs, (count * 1_000) / binMs],
    );
    const { color, lineType } = styles.get(name) ?? { color: theme.faint, lineType: 'solid' };
    const lineStyle = { width: 1.5, type: lineType };
    return [
      {
        type: 'line',
        ...(name === '' ? {} : { name }),
        step: 'end',
        data,
        symbol: 'none',
        color: name === failed ? theme.bad : color,
        lineStyle,
      },
    ];
  });
  return { title: 'Requests per second', heightPixels, yAxis: { min: 0 }, series };
}
