import { type CpuLimit, cpuLimits, decidingWindowMs } from '../../protocol/decision.ts';
import { type Point, thinned, withGaps } from '../history.ts';
import { mostPoints, type Panel, type PanelInput, type PanelSeries } from '../panel.ts';
import type { Theme } from '../theme.ts';
import { vmStyles } from './vm-colors.ts';

/** CPU of every VM, the limits of the policies, and the windows of samples that scaling was decided on. */
export function cpuPanel(input: PanelInput): Panel {
  const { history, pool } = input;
  const styles = vmStyles(input);
  const curves = pool.vms.map(({ vm, cpu }): PanelSeries => {
    const percent = cpu.map(([atMs, value]): Point => [atMs, value === null ? null : value * 100]);
    const { color, lineType } = styles.get(vm) ?? {};
    return {
      type: 'line',
      name: vm,
      data: thinned(withGaps(percent, history.gapMs), mostPoints),
      symbol: 'none',
      color,
      lineStyle: { width: 1.5, type: lineType },
    };
  });
  const yAxis = { min: 0, max: 100, interval: 25, axisLabel: { formatter: '{value} %' } };
  return { title: 'CPU per VM', heightPixels: 240, yAxis, series: [...curves, ...limitSeries(input), windows(input)] };
}

/** Each limit as a dashed step line: it holds until a decision has another. */
function limitSeries({ history, pool, theme }: PanelInput): PanelSeries[] {
  const lines = new Map<string, { limit: CpuLimit; data: Point[] }>();
  for (const decision of pool.decisions) {
    const limits = cpuLimits(decision);
    for (const limit of limits) {
      const name = limitName(limit);
      const line = lines.get(name) ?? { limit, data: [] };
      lines.set(name, line);
      line.data.push([decision.atMs, limit.cpu * 100]);
    }
    // A limit that this decision does not have has ended.
    for (const [name, { data }] of lines) {
      if (!limits.some((limit) => limitName(limit) === name)) data.push([decision.atMs, null]);
    }
  }
  return [...lines].map(([name, { limit, data }]) => ({
    type: 'line',
    name,
    step: 'end',
    data: [...data, [history.untilMs, data.at(-1)?.[1] ?? null]],
    symbol: 'none',
    color: limitColor(limit, theme),
    lineStyle: { width: 1.5, type: 'dashed' },
  }));
}

function limitName({ policy, kind }: CpuLimit): string {
  const meaning = { grow: 'grows above', shrink: 'shrinks below', target: 'aims at' };
  return `${policy} ${meaning[kind]}`;
}

function limitColor({ kind }: CpuLimit, theme: Theme): string {
  return { grow: theme.bad, shrink: theme.good, target: theme.busy }[kind];
}

function windows({ pool, theme }: PanelInput): PanelSeries {
  const areas = pool.decisions.flatMap((decision) => {
    const windowMs = decidingWindowMs(decision);
    if (decision.action === 'none' || windowMs === undefined) return [];
    const color = decision.action === 'out' ? theme.bad : theme.good;
    return [[{ xAxis: decision.atMs - windowMs, itemStyle: { color, opacity: 0.18 } }, { xAxis: decision.atMs }]];
  });
  return { type: 'line', data: [], markArea: { silent: true, data: areas } };
}
