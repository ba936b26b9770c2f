import type { EChartsCoreOption } from 'echarts/core';
import { timeOfDay } from '../text/format.ts';

export interface Curve {
  readonly name: string;
  /** Milliseconds since 1970, and a value; oldest first. Null is a gap. */
  readonly points: readonly (readonly [number, number | null])[];
  /** Curves without one are percent, on the left; the others share another axis. */
  readonly unit?: string;
  readonly look?: 'thick' | 'dashed';
}

export interface ChartContent {
  readonly curves: readonly Curve[];
  /** Lines across, in percent. */
  readonly limits?: readonly {
    readonly name: string;
    readonly value: number;
    readonly look: 'bad' | 'good' | 'faint';
  }[];
  /** A stretch of time that is shaded. */
  readonly window?: { readonly name: string; readonly fromMs: number; readonly untilMs: number } | undefined;
  /** What happened, at its time. */
  readonly marks?: readonly { readonly atMs: number; readonly name: string; readonly look: 'bad' | 'good' | 'faint' }[];
}

const colours = 8;

/**
 * What ECharts is to draw. Pure.
 * @param colour of the style sheet, by its name
 * @param isNarrow then what happened is drawn without words
 */
export function chartOption(
  { curves, limits = [], window: shaded, marks = [] }: ChartContent,
  colour: (name: string) => string,
  isNarrow = false,
): EChartsCoreOption {
  const [unit] = curves.flatMap((curve) => curve.unit ?? []);
  const hasPercent = curves.some((curve) => curve.unit === undefined);
  const axis = {
    axisLabel: { color: colour('faint') },
    splitLine: { lineStyle: { color: colour('line') } },
    axisLine: { show: false },
  };
  const byTime = curves.flatMap(({ points }) => points.map(([atMs]) => atMs));
  const fromMs = Math.min(...byTime);
  const untilMs = Math.max(...byTime);
  const lines = [
    ...limits.map(({ name, value, look }) => ({
      yAxis: value,
      name,
      lineStyle: { color: colour(look), type: 'dashed', width: 1.5 },
      label: { show: !isNarrow, formatter: name, position: 'insideStartTop', color: colour(look) },
    })),
    ...marks
      .filter(({ atMs }) => atMs >= fromMs && atMs <= untilMs)
      .map(({ atMs, name, look }) => ({
        xAxis: atMs,
        name,
        lineStyle: { color: colour(look), type: 'solid', width: 1 },
        label: {
          ...{ show: !isNarrow, formatter: name, position: 'insideEndTop', color: colour(look) },
          ...{ rotate: 90, fontSize: 10 },
        },
      })),
  ];
  const areas = shaded === undefined ? [] : [[{ xAxis: shaded.fromMs, name: shaded.name }, { xAxis: shaded.untilMs }]];
  return {
    animation: false,
    color: Array.from({ length: colours }, (_, i) => colour(`curve-${i}`)),
    textStyle: { fontFamily: 'system-ui, sans-serif', color: colour('ink') },
    grid: {
      left: hasPercent ? 44 : 64,
      right: unit === undefined || !hasPercent ? 16 : 64,
      top: curves.length > 1 ? 34 : 14,
      bottom: 26,
    },
    legend: { show: curves.length > 1, type: 'scroll', top: 0, left: 0, textStyle: { color: colour('ink') } },
    // Its usual tooltip is markup with inline styles, which our content security policy does not let in.
    tooltip: {
      trigger: 'axis',
      renderMode: 'richText',
      backgroundColor: colour('paper'),
      borderColor: colour('line'),
      textStyle: { color: colour('ink') },
      valueFormatter: (value: unknown) => (typeof value === 'number' ? value.toFixed(value < 10 ? 1 : 0) : '–'),
    },
    xAxis: {
      type: 'time',
      ...axis,
      ...(byTime.length === 0 ? {} : { min: fromMs, max: untilMs }),
      splitLine: { show: false },
      axisLabel: { color: colour('faint'), hideOverlap: true, formatter: (atMs: number) => timeOfDay(atMs) },
    },
    yAxis: [
      ...(hasPercent
        ? [
            {
              ...{ type: 'value', min: 0, max: 100, ...axis },
              axisLabel: { color: colour('faint'), formatter: '{value} %' },
            },
          ]
        : []),
      ...(unit === undefined
        ? []
        : [
            {
              ...{ type: 'value', min: 0, ...axis, ...(hasPercent ? { splitLine: { show: false } } : {}) },
              axisLabel: { color: colour('faint'), formatter: `{value} ${unit}` },
            },
          ]),
    ],
    series: curves.map(({ name, points, unit: own, look }, i) => ({
      ...{ name, type: 'line', showSymbol: false, data: points, yAxisIndex: own === undefined || !hasPercent ? 0 : 1 },
      lineStyle: { width: look === 'thick' ? 3 : 1.5, type: look === 'dashed' ? 'dashed' : 'solid' },
      ...(i > 0
        ? {}
        : {
            markLine: { silent: true, symbol: 'none', animation: false, data: lines },
            markArea: {
              silent: true,
              itemStyle: { color: colour('window') },
              label: { show: !isNarrow, color: colour('faint'), position: 'insideTopRight' },
              data: areas,
            },
          }),
    })),
  };
}
