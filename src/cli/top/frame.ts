import type { EventView, PoolView } from '../../protocol/api.ts';
import { cpuLimits, decidingWindowMs, explain } from '../../protocol/decision.ts';
import { formatSize } from '../units.ts';
import { type ChartSetting, limitLegend, percent, scaleColumns, timeAxis, vmChart, vmSparkline } from './chart.ts';
import { type Color, clean, type Line, line, wrap } from './spans.ts';
import { sampleOfNow, type TopState, type WatchedVm } from './state.ts';

export interface FrameSize {
  readonly columns: number;
  readonly rows: number;
}

/** What a frame shows beside the state. */
export interface FrameOptions {
  /** The pool whose VMs are shown; the first one when it is not there. */
  readonly pool: string | undefined;
  /** Said in the first line, e.g. of a recording. */
  readonly note: string;
}

const mostChartRows = 16;
const mostEvents = 8;
const countNames = ['desired', 'ready', 'warm', 'booting', 'draining', 'failed'] as const;

/** The whole screen, exactly as many lines as it has rows; the less room, the less is told. Pure. */
export function frame(state: TopState, { columns, rows }: FrameSize, options: FrameOptions): Line[] {
  const selected = state.pools.find((pool) => pool.name === options.pool) ?? state.pools[0];
  const head = [...header(state, options.note), ...poolTable(state.pools, selected, Math.max(1, rows - 8))];
  const decision = selected?.decision ? decisionLines(selected, columns) : [];
  const eventRows = rows < 16 ? 0 : Math.min(mostEvents, Math.floor(rows / 5));
  const events = eventRows === 0 ? [] : [line(''), ...eventLines(state.events, eventRows)];
  const room = rows - head.length - decision.length - events.length;
  const charts = selected === undefined || room < 3 ? [] : cpuLines(state, selected, columns, room);
  const filler = Array.from({ length: Math.max(0, room - charts.length) }, () => line(''));
  return [...head, ...decision, ...charts, ...filler, ...events].slice(0, rows);
}

function header({ server, nowMs, queued, trouble, pools }: TopState, note: string): Line[] {
  const help = pools.length > 1 ? 'q quits, tab: next pool' : 'q quits';
  const jobs = `${queued} ${queued === 1 ? 'job waits' : 'jobs wait'}`;
  const link = trouble === null ? ({ text: 'connected', color: 'green' } as const) : disconnected(trouble);
  return [
    [
      { text: 'tidepool top  ', bold: true },
      { text: `${clock(nowMs)} UTC  ` },
      link,
      { text: `  ${jobs}`, bold: queued > 0 },
      { text: `  ${clean(note)}${note === '' ? '' : '  '}`, color: 'yellow' },
      { text: `${help}  ${clean(server)}`, color: 'grey' },
    ],
  ];
}

function disconnected(trouble: string): { text: string; color: Color; bold: boolean } {
  return { text: `DISCONNECTED: ${clean(trouble)}`, color: 'red', bold: true };
}

function poolTable(pools: readonly PoolView[], selected: PoolView | undefined, mostRows: number): Line[] {
  const width = Math.max(4, ...pools.map((pool) => pool.name.length));
  const heading = [
    'POOL'.padEnd(width + 2),
    'BOUNDS '.padStart(9),
    ...countNames.map((name) => ` ${name.toUpperCase()} `),
  ];
  const shown = pools.slice(0, mostRows);
  const hidden = pools.length - shown.length;
  return [
    [{ text: `${heading.join('')}  AUTOSCALER`, color: 'grey' }],
    ...shown.map((pool) => poolRow(pool, width, pool === selected && pools.length > 1)),
    ...(hidden > 0 ? [line(`and ${hidden} more pools; choose one by --pool`, { color: 'grey' })] : []),
  ];
}

function poolRow(pool: PoolView, width: number, isSelected: boolean): Line {
  const { min, max, policies } = pool.settings;
  const counts = countNames.map((name) => {
    const count = pool.counts[name];
    const color = count === 0 ? 'grey' : countColor(name, pool);
    return { text: ` ${String(count).padStart(name.length)} `, bold: count > 0, ...(color ? { color } : {}) };
  });
  const steering = policies.length === 0 ? 'none (by hand)' : policies.join(', ');
  return [
    { text: `${isSelected ? '▸ ' : '  '}${pool.name.padEnd(width)}`, bold: true },
    { text: `${min} to ${max} `.padStart(9) },
    ...counts,
    { text: `  ${clean(steering)}` },
    ...(pool.paused ? [{ text: ' PAUSED', color: 'yellow' as const, bold: true }] : []),
  ];
}

function countColor(name: (typeof countNames)[number], { counts }: PoolView): Color | undefined {
  if (name === 'ready') return counts.ready < counts.desired ? 'yellow' : 'green';
  if (name === 'failed') return 'red';
  return name === 'desired' || name === 'warm' ? undefined : 'yellow';
}

function decisionLines({ decision }: PoolView, columns: number): Line[] {
  if (decision === null) return [];
  const color = decision.action === 'out' ? 'red' : decision.action === 'in' ? 'green' : undefined;
  const label = `${clock(decision.atMs)}  `;
  const lines = wrap(clean(explain(decision)), columns - label.length, 3);
  return lines.map((text, i) => [
    { text: i === 0 ? label : ' '.repeat(label.length), color: 'grey' as const },
    { text, ...(color === undefined ? {} : { color, bold: true }) },
  ]);
}

/** A chart for every VM when there is room for it, a line for every VM when not. */
function cpuLines(state: TopState, pool: PoolView, columns: number, room: number): Line[] {
  const vms = state.vms.filter((vm) => vm.pool === pool.name);
  const limits = pool.decision === null ? [] : cpuLimits(pool.decision);
  const windowMs = pool.decision === null ? undefined : decidingWindowMs(pool.decision);
  const title: Line = [{ text: 'CPU', bold: true }, { text: meanOfReady(vms, state.nowMs) }, ...limitLegend(limits)];
  if (vms.length === 0) return [line(''), title, line('  no VM', { color: 'grey' })].slice(0, room);
  const rowsEach = Math.min(mostChartRows, Math.floor((room - 3) / vms.length) - 1);
  const nowMs = state.nowMs;
  if (rowsEach < 2) return [title, ...sparklines(vms, { columns, nowMs, limits, windowMs }, room - 2)];
  const setting = { columns: Math.max(4, columns - scaleColumns), nowMs, limits, windowMs };
  const charts = vms.flatMap((vm) => [vmTitle(vm, nowMs), ...vmChart(vm, rowsEach, setting)]);
  return [line(''), title, ...charts, [{ text: ' '.repeat(scaleColumns) }, ...timeAxis(setting)]];
}

function meanOfReady(vms: readonly WatchedVm[], nowMs: number): string {
  const newest = vms.filter((vm) => vm.state === 'ready').flatMap((vm) => sampleOfNow(vm, nowMs)?.cpu ?? []);
  if (newest.length === 0) return '';
  return `  ${percent(newest.reduce((sum, cpu) => sum + cpu, 0) / newest.length)} now`;
}

function vmTitle(watched: WatchedVm, nowMs: number): Line {
  const { vm, state } = watched;
  const newest = sampleOfNow(watched, nowMs);
  const use = newest === undefined ? '-' : `${percent(newest.cpu)}  ${formatSize(newest.memoryBytes)}`;
  return [
    { text: `${' '.repeat(scaleColumns)}${clean(vm)}  `, bold: true },
    { text: `${state}  `, ...stateStyle(state) },
    { text: use },
  ];
}

function sparklines(vms: readonly WatchedVm[], setting: ChartSetting, room: number): Line[] {
  const name = Math.min(24, Math.max(...vms.map((vm) => vm.vm.length)));
  const label = name + 2 + 9 + 7;
  const columns = Math.max(4, setting.columns - label);
  const shown = vms.slice(0, vms.length > room ? Math.max(0, room - 1) : room);
  const hidden = vms.length - shown.length;
  return [
    ...shown.map((vm): Line => {
      const newest = sampleOfNow(vm, setting.nowMs);
      const use = newest === undefined ? '-' : percent(newest.cpu);
      return [
        { text: `${clean(vm.vm).slice(0, name).padEnd(name)}  ` },
        { text: vm.state.padEnd(9), ...stateStyle(vm.state) },
        { text: `${use.padStart(5)}  ` },
        ...vmSparkline(vm, { ...setting, columns }),
      ];
    }),
    ...(hidden > 0 ? [line(`and ${hidden} more VMs`, { color: 'grey' })] : []),
    [{ text: ' '.repeat(label) }, ...timeAxis({ ...setting, columns })],
  ];
}

function stateStyle(state: string): { color: Color } {
  return { color: state === 'ready' ? 'green' : state === 'failed' ? 'red' : 'yellow' };
}

function eventLines(events: readonly EventView[], most: number): Line[] {
  const shown = events.slice(-(most - 1));
  return [
    line('EVENTS', { color: 'grey' }),
    ...shown.map(
      ({ atMs, name, vm, pool, text }): Line => [
        { text: `${clock(atMs)}  `, color: 'grey' },
        { text: `${name.padEnd(14)}  `, ...eventStyle(name) },
        { text: `${clean(vm ?? pool).padEnd(16)}  ${clean(text)}` },
      ],
    ),
  ];
}

function eventStyle(name: string): { color?: Color } {
  if (name === 'vm.failed' || name === 'alert.raised') return { color: 'red' };
  return name === 'vm.launched' || name === 'alert.cleared' ? { color: 'green' } : {};
}

function clock(atMs: number): string {
  return new Date(atMs).toISOString().slice(11, 19);
}
