import type { Panel, PanelInput, PanelSeries } from '../panel.ts';

/** Rows from the bottom, and which events are on them. */
const rows = [
  { name: 'failed, alert', events: ['vm.failed', 'alert.raised', 'alert.cleared'] },
  { name: 'drained, removed', events: ['vm.draining', 'vm.undrained', 'vm.removed'] },
  { name: 'launched, ready', events: ['vm.launching', 'vm.launched', 'vm.warm'] },
  { name: 'decision', events: [] },
] as const;
const decisionRow = 'decision';

/** What happened, as marks on the time axis; the page lists it in words. */
export function eventsPanel(input: PanelInput): Panel {
  return {
    title: 'Events  (▲ grow  ▼ shrink  ○ launching  ● ready  ◆ draining  ■ removed  ✚ failed)',
    heightPixels: 110,
    yAxis: {
      type: 'category',
      data: rows.map((row) => row.name),
      axisTick: { show: false },
    },
    series: [decisions(input), ...rows.map((row) => marks(input, row.name, row.events))],
  };
}

function decisions({ pool, theme }: PanelInput): PanelSeries {
  const actions = pool.decisions.filter((decision) => decision.action !== 'none');
  return {
    type: 'scatter',
    symbol: 'triangle',
    symbolSize: 11,
    data: actions.map(({ atMs, action, paused }) => ({
      value: [atMs, decisionRow],
      symbolRotate: action === 'in' ? 180 : 0,
      itemStyle: { color: action === 'in' ? theme.good : theme.bad, opacity: paused ? 0.4 : 1 },
    })),
  };
}

function marks({ pool, theme }: PanelInput, row: string, names: readonly string[]): PanelSeries {
  const kinds: Readonly<Record<string, { symbol: string; color: string | undefined; isHollow?: boolean }>> = {
    'vm.launching': { symbol: 'circle', color: theme.busy, isHollow: true },
    'vm.launched': { symbol: 'circle', color: theme.good },
    'vm.warm': { symbol: 'circle', color: theme.series[6] },
    'vm.draining': { symbol: 'diamond', color: theme.series[3] },
    'vm.undrained': { symbol: 'diamond', color: theme.good, isHollow: true },
    'vm.removed': { symbol: 'rect', color: theme.faint },
    'vm.failed': { symbol: plus, color: theme.bad },
    'alert.raised': { symbol: plus, color: theme.bad },
    'alert.cleared': { symbol: plus, color: theme.good },
  };
  return {
    type: 'scatter',
    symbolSize: 9,
    data: pool.events
      .filter((event) => names.includes(event.name))
      .map(({ atMs, name }) => {
        const { symbol, color, isHollow } = kinds[name] ?? { symbol: 'circle', color: theme.faint };
        const itemStyle = { color: isHollow ? theme.paper : color, borderColor: color, borderWidth: isHollow ? 2 : 0 };
        return { value: [atMs, row], symbol, itemStyle };
      }),
  };
}

/** A thick plus sign. */
const plus = 'path://M4 0h4v4h4v4h-4v4h-4v-4h-4v-4h4z';
