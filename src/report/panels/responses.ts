import type { Panel, PanelInput, PanelSeries } from '../panel.ts';
import { countRequests, type Frame, forEachRequest, thinMarks } from '../requests.ts';
import { many } from '../words.ts';
import { vmStyles } from './vm-colors.ts';

const heightPixels = 240;
/** About as wide as a chart is. */
const widthPixels = 900;
const mostMarks = 6_000;
/** What took no time was never sent. */
const leastTookMs = 0.01;
const failed = 'failed';

/** Response time of each request at the time when it was due, in its VM's colour; undefined when there are none. */
export function responsesPanel(input: PanelInput): Panel | undefined {
  const { pool, history, theme } = input;
  const count = countRequests(pool);
  if (count === 0) return undefined;
  const { least, most } = range(input);
  const frame: Frame = {
    fromMs: history.fromMs,
    untilMs: history.untilMs,
    leastTookMs: 10 ** Math.floor(Math.log10(least)),
    mostTookMs: 10 ** Math.ceil(Math.log10(most)),
    widthPixels,
    heightPixels,
  };
  const { marks, cellPixels } = thinMarks(
    (draw) => {
      forEachRequest(pool, (atMs, tookMs, server, outcome) =>
        draw(outcome === 'ok' ? server : failed, atMs, Math.max(leastTookMs, tookMs)),
      );
    },
    frame,
    mostMarks,
  );
  const styles = vmStyles(input);
  const note = cellPixels > 1 ? `; a mark stands for all within ${cellPixels} × ${cellPixels} pixels` : '';
  const series = [...styles.keys(), '', failed].flatMap((name): PanelSeries[] => {
    const data = marks.get(name)?.map(({ atMs, tookMs }) => [atMs, Number(tookMs.toPrecision(4))]);
    if (data === undefined) return [];
    if (name === failed) return [{ type: 'scatter', name, data, symbol: cross, symbolSize: 7, color: theme.bad }];
    const color = styles.get(name)?.color ?? theme.faint;
    const named = name === '' ? {} : { name };
    return [{ type: 'scatter', ...named, data, symbolSize: 4, color, itemStyle: { opacity: 0.75 } }];
  });
  const axisLabel = { formatter: duration };
  const yAxis = { type: 'log', min: frame.leastTookMs, max: frame.mostTookMs, axisLabel };
  return { title: `Response time per request (${many(count, 'request')}${note})`, heightPixels, yAxis, series };
}

function range({ pool }: PanelInput): { least: number; most: number } {
  let least = Number.POSITIVE_INFINITY;
  let most = 0;
  forEachRequest(pool, (_atMs, took) => {
    const tookMs = Math.max(leastTookMs, took);
    least = Math.min(least, tookMs);
    most = Math.max(most, tookMs);
  });
  // All of one decade is still a range.
  return { least, most: Math.max(most, least * 1.01) };
}

function duration(ms: number): string {
  if (ms >= 1_000) return `${ms / 1_000} s`;
  return ms >= 1 ? `${ms} ms` : `${Math.round(ms * 1_000)} µs`;
}

/** An oblique cross. */
const cross = 'path://M0 2L2 0L5 3L8 0L10 2L7 5L10 8L8 10L5 7L2 10L0 8L3 5z';
