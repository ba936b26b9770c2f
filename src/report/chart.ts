import { LineChart, ScatterChart } from 'echarts/charts';
import { GridComponent, LegendComponent, MarkAreaComponent, TitleComponent } from 'echarts/components';
import { init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import type { History, PoolHistory } from './history.ts';
import type { Panel } from './panel.ts';
import { countsPanel } from './panels/counts.ts';
import { cpuPanel } from './panels/cpu.ts';
import { eventsPanel } from './panels/events.ts';
import type { Theme } from './theme.ts';

use([LineChart, ScatterChart, GridComponent, LegendComponent, MarkAreaComponent, TitleComponent, SVGRenderer]);

const panels = [cpuPanel, countsPanel, eventsPanel];

const widthPixels = 1_100;
const leftPixels = 118;
const rightPixels = 24;
const titlePixels = 24;
const legendRowPixels = 20;
/** Below each panel; the last one has the times there. */
const gapPixels = 14;
const axisPixels = 34;
/** About how wide a letter of the legend is, and what its sign and the space around take. */
const letterPixels = 6.6;
const signPixels = 46;
const mostLegendEntries = 24;

/** A panel and where it lies. */
interface Placed {
  readonly panel: Panel;
  readonly legend: readonly string[];
  readonly topPixels: number;
  readonly gridPixels: number;
  readonly index: number;
}

/** The charts of one pool as an SVG document, all panels above one another on one time axis. Pure. */
export function poolChart(history: History, pool: PoolHistory, theme: Theme): string {
  const { placed, heightPixels } = place(panels.map((panel) => panel({ history, pool, theme })));
  const chart = init(null, null, { renderer: 'svg', ssr: true, width: widthPixels, height: heightPixels });
  try {
    chart.setOption({
      animation: false,
      useUTC: true,
      backgroundColor: theme.paper,
      textStyle: { color: theme.ink, fontFamily: 'system-ui, sans-serif' },
      title: placed.map((one) => title(one, theme)),
      legend: placed.filter((one) => one.legend.length > 0).map((one) => legend(one, theme)),
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
    return chart.renderToSVGString();
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
    const legend = panel.series.flatMap(({ name }) => name ?? []).slice(0, mostLegendEntries);
    const gridPixels = topPixels + titlePixels + legendRows(legend) * legendRowPixels + 4;
    const one = { panel, legend, topPixels, gridPixels, index };
    topPixels = gridPixels + panel.heightPixels + gapPixels;
    return one;
  });
  return { placed, heightPixels: topPixels + axisPixels };
}

function legendRows(names: readonly string[]): number {
  const roomPixels = widthPixels - leftPixels - rightPixels;
  let rows = names.length === 0 ? 0 : 1;
  let usedPixels = 0;
  for (const name of names) {
    const entryPixels = signPixels + name.length * letterPixels;
    if (usedPixels > 0 && usedPixels + entryPixels > roomPixels) {
      rows += 1;
      usedPixels = 0;
    }
    usedPixels += entryPixels;
  }
  return rows;
}

function title({ panel, topPixels }: Placed, theme: Theme): Record<string, unknown> {
  const textStyle = { fontSize: 13, fontWeight: 600, color: theme.ink };
  return { text: panel.title, left: leftPixels, top: topPixels, padding: [4, 0], textStyle };
}

function legend({ legend: data, topPixels }: Placed, theme: Theme): Record<string, unknown> {
  return {
    data,
    left: leftPixels,
    right: rightPixels,
    top: topPixels + titlePixels,
    padding: 0,
    itemWidth: 22,
    itemHeight: 8,
    itemGap: 16,
    textStyle: { color: theme.ink, fontSize: 12 },
  };
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
    ...(isLast ? { name: 'UTC', nameLocation: 'start', nameTextStyle: { color: theme.faint } } : {}),
  };
}

function valueAxis({ panel, index }: Placed, theme: Theme): Record<string, unknown> {
  const { axisLabel, ...rest } = panel.yAxis as { axisLabel?: Record<string, unknown> };
  return {
    gridIndex: index,
    axisLine: { show: true, lineStyle: { color: theme.faint } },
    splitLine: { lineStyle: { color: theme.grid } },
    ...rest,
    axisLabel: { color: theme.faint, ...axisLabel },
  };
}
