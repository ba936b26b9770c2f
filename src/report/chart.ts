import { LineChart, ScatterChart } from 'echarts/charts';
import { GridComponent, LegendComponent, MarkAreaComponent, TitleComponent } from 'echarts/components';
import { init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import type { History, PoolHistory } from './history.ts';
import type { Panel } from './panel.ts';
import { countsPanel } from './panels/counts.ts';
import { cpuPanel } from './panels/cpu.ts';
import { eventsPanel } from './panels/events.ts';
import { responsesPanel } from './panels/responses.ts';
import { throughputPanel } from './panels/throughput.ts';
import type { Theme } from './theme.ts';

use([LineChart, ScatterChart, GridComponent, LegendComponent, MarkAreaComponent, TitleComponent, SVGRenderer]);

const panels = [responsesPanel, throughputPanel, cpuPanel, countsPanel, eventsPanel];

const widthPixels = 1_100;
const leftPixels = 128;
const rightPixels = 44;
const titlePixels = 24;
const legendRowPixels = 20;
/** Below each panel; the last one has the times there. */
const gapPixels = 14;
const axisPixels = 20;
/** About how wide a letter of the legend is, and what its sign and the space around take. */
const letterPixels = 7.2;
const legendGapPixels = 32;
const signPixels = 27 + legendGapPixels;
const solidSign = 'path://M0 0h22v3h-22z';
const dashedSign = 'path://M0 0h6v3h-6zM8 0h6v3h-6zM16 0h6v3h-6z';
const mostLegendEntries = 24;

interface LegendEntry {
  readonly name: string;
  readonly icon: string;
}

/** A panel and where it lies. */
interface Placed {
  readonly panel: Panel;
  /** Rows of names, as many as fit. */
  readonly legend: readonly (readonly LegendEntry[])[];
  readonly topPixels: number;
  readonly gridPixels: number;
  readonly index: number;
}

/** The charts of one pool as an SVG document, all panels above one another on one time axis. Pure. */
export function poolChart(history: History, pool: PoolHistory, theme: Theme): string {
  const { placed, heightPixels } = place(panels.flatMap((panel) => panel({ history, pool, theme }) ?? []));
  const chart = init(null, null, { renderer: 'svg', ssr: true, width: widthPixels, height: heightPixels });
  try {
    chart.setOption({
      animation: false,
      useUTC: true,
      backgroundColor: theme.paper,
      textStyle: { color: theme.ink, fontFamily: 'system-ui, sans-serif' },
      title: placed.map((one) => title(one, theme)),
      legend: placed.flatMap((one) => legends(one, theme)),
      grid: placed.map(({ gridPixels, panel }) => ({
        left: leftPixels,
        right: rightPixels,
        top: gridPixels,
        height: panel.heightPixels,
      })),
      xAxis: placed.map((one) => timeAxis(one, one.index === placed.length - 1, history, theme)),
      yAxis: placed.map((one) => valueAxis(one, theme)),
      series: placed.flatMap(({ panel, index }) =>
        panel.series.map((series) => ({ ...series, silent: true, xAxisIndex: index, yAxisIndex: index })),
      ),
    });
    // Marks for scripts, of which there are none; with thousands of points they are half of the file.
    return chart.renderToSVGString().replaceAll(/ ecmeta_\w+="\w*"/g, '');
  } finally {
    chart.dispose();
  }
}

/** The charts of all pools below one another in one SVG document. Pure. */
export function allCharts(history: History, theme: Theme): string {
  const charts = history.pools.map((pool) => poolChart(history, pool, theme));
  if (charts.length === 1) return charts[0] ?? '';
  let heightPixels = 0;
  const stacked = charts.map((chart, i) => {
    const topPixels = heightPixels;
    heightPixels += Number(/height="(\d+)"/.exec(chart)?.[1]) + titlePixels;
    const name = `<text x="8" y="${topPixels + 16}" font-family="sans-serif" font-weight="bold" fill="${theme.ink}">${history.pools[i]?.pool ?? ''}</text>`;
    return name + chart.replace('<svg ', `<svg y="${topPixels + titlePixels}" `);
  });
  const size = `width="${widthPixels}" height="${heightPixels}"`;
  const paper = `<rect ${size} fill="${theme.paper}"/>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} viewBox="0 0 ${widthPixels} ${heightPixels}">${paper}${stacked.join('')}</svg>`;
}

function place(all: readonly Panel[]): { placed: Placed[]; heightPixels: number } {
  let topPixels = 4;
  const placed = all.map((panel, index) => {
    const legend = legendRows(panel);
    const gridPixels = topPixels + titlePixels + legend.length * legendRowPixels + 4;
    const one = { panel, legend, topPixels, gridPixels, index };
    topPixels = gridPixels + panel.heightPixels + gapPixels;
    return one;
  });
  return { placed, heightPixels: topPixels + axisPixels };
}

/** ECharts would break rows by itself, but does not say into how many before it has drawn them. */
function legendRows({ series }: Panel): LegendEntry[][] {
  const roomPixels = widthPixels - leftPixels - rightPixels;
  const rows: LegendEntry[][] = [];
  let usedPixels = roomPixels;
  for (const { name, lineStyle } of series.filter((one) => one.name !== undefined).slice(0, mostLegendEntries)) {
    if (name === undefined) continue;
    const entryPixels = signPixels + name.length * letterPixels;
    if (usedPixels + entryPixels > roomPixels) {
      rows.push([]);
      usedPixels = 0;
    }
    usedPixels += entryPixels;
    const isDashed = (lineStyle as { type?: string } | undefined)?.type === 'dashed';
    rows.at(-1)?.push({ name, icon: isDashed ? dashedSign : solidSign });
  }
  return rows;
}

function title({ panel, topPixels }: Placed, theme: Theme): Record<string, unknown> {
  const textStyle = { fontSize: 13, fontWeight: 600, color: theme.ink };
  return { text: panel.title, left: leftPixels, top: topPixels, padding: [4, 0], textStyle };
}

function legends({ legend, topPixels }: Placed, theme: Theme): Record<string, unknown>[] {
  return legend.map((data, row) => ({
    data,
    left: leftPixels,
    top: topPixels + titlePixels + row * legendRowPixels,
    width: widthPixels,
    padding: 0,
    itemWidth: 22,
    itemHeight: 3,
    itemGap: legendGapPixels,
    textStyle: { color: theme.ink, fontSize: 12 },
  }));
}

function timeAxis({ index }: Placed, isLast: boolean, history: History, theme: Theme): Record<string, unknown> {
  return {
    type: 'time',
    gridIndex: index,
    min: history.fromMs,
    max: history.untilMs,
    axisLine: { onZero: false, lineStyle: { color: theme.faint } },
    axisTick: { show: isLast, lineStyle: { color: theme.faint } },
    axisLabel: { show: isLast, color: theme.faint, formatter: '{HH}:{mm}:{ss}', hideOverlap: true },
    splitLine: { show: true, lineStyle: { color: theme.grid } },
    ...(isLast ? { name: 'UTC', nameLocation: 'end', nameGap: 8, nameTextStyle: { color: theme.faint } } : {}),
  };
}

function valueAxis({ panel, index }: Placed, theme: Theme): Record<string, unknown> {
  const { axisLabel, ...rest } = panel.yAxis as { axisLabel?: Record<string, unknown> };
  return {
    gridIndex: index,
    axisLine: { show: true, lineStyle: { color: theme.faint } },
    splitLine: { show: true, lineStyle: { color: theme.grid } },
    ...rest,
    axisLabel: { color: theme.faint, ...axisLabel },
  };
}
