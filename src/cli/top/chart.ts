import type { CpuLimit } from '../../protocol/decision.ts';
import { brailleCurve, rowOf } from './braille.ts';
import type { Color, Line, Span } from './spans.ts';
import type { WatchedVm } from './state.ts';

/** What the charts of one pool have in common. */
export interface ChartSetting {
  /** Columns of a chart without its scale; each is two seconds. */
  readonly columns: number;
  /** Time at the right edge. */
  readonly nowMs: number;
  readonly limits: readonly CpuLimit[];
  /** How far back the samples go that decided; undefined when they decided nothing. */
  readonly windowMs: number | undefined;
}

const secondMs = 1_000;
/** A second's sample may come half a second late. */
const slackMs = 500;
/** Columns of the scale at the left. */
export const scaleColumns = 6;

const limitColors: Readonly<Record<CpuLimit['kind'], Color>> = { grow: 'red', shrink: 'green', target: 'cyan' };
const dash = '╌';

/** CPU of a VM as rows of a chart with scale, the limits as lines and the deciding window in bold. Pure. */
export function vmChart(vm: WatchedVm, rows: number, setting: ChartSetting): Line[] {
  const cells = brailleCurve(secondsOf(vm.samples, setting), rows);
  const windowFrom = setting.columns - windowColumns(setting);
  return cells.map((row, r) => {
    const limit = setting.limits.find((one) => rowOf(one.cpu, rows) === r);
    return [scale(r, rows, limit), ...curve(row, windowFrom, limit, vm.state === 'ready')];
  });
}

/** The curve alone, in one row. Pure. */
export function vmSparkline(vm: WatchedVm, setting: ChartSetting): Line {
  const [row = []] = brailleCurve(secondsOf(vm.samples, setting), 1);
  return curve(row, setting.columns - windowColumns(setting), undefined, vm.state === 'ready');
}

/** The line under the charts: how far back they go, and where the deciding window is. Pure. */
export function timeAxis({ columns, windowMs, ...rest }: ChartSetting): Line {
  const left = `-${(columns * 2 * secondMs) / 1_000} s`;
  const width = windowColumns({ columns, windowMs, ...rest });
  if (width < 2 || windowMs === undefined) return [{ text: left.padEnd(columns - 3), color: 'grey' }, { text: 'now' }];
  const label = `deciding ${windowMs / 1_000} s `;
  const bracket = `╰${'─'.repeat(width - 2)}╯`;
  const gap = columns - left.length - label.length - width;
  if (gap < 1) return [{ text: bracket.padStart(columns), bold: true, color: 'yellow' }];
  return [
    { text: left + ' '.repeat(gap), color: 'grey' },
    { text: label + bracket, bold: true, color: 'yellow' },
  ];
}

/** What the limits' lines mean. */
export function limitLegend(limits: readonly CpuLimit[]): Span[] {
  const meaning = { grow: 'grows above', shrink: 'shrinks below', target: 'aims at' };
  return limits.map(({ policy, kind, cpu }) => ({
    text: `  ${dash}${dash} ${policy} ${meaning[kind]} ${percent(cpu)}`,
    color: limitColors[kind],
  }));
}

/** 0.815 as `82 %`. */
export function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

/** One value a second up to the edge, null where none was sampled. */
function secondsOf(samples: WatchedVm['samples'], { columns, nowMs }: ChartSetting): (number | null)[] {
  // Whole seconds, or the curve would shiver as the edge moves.
  const edgeMs = Math.ceil(nowMs / secondMs) * secondMs;
  const count = columns * 2;
  const values: (number | null)[] = new Array(count).fill(null);
  let newest = samples.length - 1;
  for (let i = count - 1; i >= 0; i -= 1) {
    const untilMs = edgeMs - (count - 1 - i) * secondMs;
    while (newest >= 0 && (samples[newest]?.atMs ?? 0) > untilMs) newest -= 1;
    const sample = samples[newest];
    if (sample !== undefined && sample.atMs > untilMs - secondMs - slackMs) values[i] = sample.cpu;
  }
  return values;
}

function windowColumns({ columns, windowMs }: ChartSetting): number {
  return windowMs === undefined ? 0 : Math.min(columns, Math.ceil(windowMs / secondMs / 2));
}

function scale(row: number, rows: number, limit: CpuLimit | undefined): Span {
  const label = limit !== undefined ? percent(limit.cpu) : row === 0 ? '100 %' : row === rows - 1 ? '0 %' : '';
  const text = label.padStart(scaleColumns - 1).padEnd(scaleColumns);
  return { text, color: limit === undefined ? 'grey' : limitColors[limit.kind] };
}

/** Cells of one row as pieces of one style each. */
function curve(cells: readonly string[], windowFrom: number, limit: CpuLimit | undefined, isReady: boolean): Span[] {
  const spans: { text: string; color?: Color; bold?: boolean }[] = [];
  let style = '';
  for (const [x, cell] of cells.entries()) {
    const inWindow = x >= windowFrom;
    const isLimit = cell === ' ' && limit !== undefined;
    const color = isLimit ? limitColors[limit.kind] : !isReady ? 'grey' : inWindow ? 'yellow' : 'cyan';
    const bold = inWindow && !isLimit;
    const last = spans.at(-1);
    if (last !== undefined && style === `${color}${bold}`) last.text += isLimit ? dash : cell;
    else spans.push({ text: isLimit ? dash : cell, color, bold });
    style = `${color}${bold}`;
  }
  return spans;
}
