import type { EChartsCoreOption } from 'echarts/core';
import type { History, PoolHistory } from './history.ts';
import type { Theme } from './theme.ts';

/** What a panel draws from. */
export interface PanelInput {
  readonly history: History;
  readonly pool: PoolHistory;
  readonly theme: Theme;
}

/** One chart of the stack; all share the time axis. A new kind of line in the recording gets a panel of its own. */
export interface Panel {
  readonly title: string;
  readonly heightPixels: number;
  readonly yAxis: EChartsCoreOption;
  /** Series of ECharts without their axes; those with a name are in the legend. */
  readonly series: readonly PanelSeries[];
}

/** The part of an ECharts series that panels use; `type` is one that chart.ts has registered. */
export interface PanelSeries {
  readonly type: 'line' | 'scatter';
  readonly name?: string;
  readonly data: readonly unknown[];
  readonly [option: string]: unknown;
}

/** Points of one curve that are drawn; more are not seen on a screen. */
export const mostPoints = 1_500;
