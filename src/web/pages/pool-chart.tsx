import type { EventView, PoolView, UsageView } from '../../protocol/api.ts';
import { cpuLimits, decidingWindowMs } from '../../protocol/decision.ts';
import { LazyChart } from '../chart/lazy-chart.tsx';
import type { ChartContent, Curve } from '../chart/option.ts';
import { useLive } from '../live/events.ts';
import { shownMs } from '../live/use-usage.ts';

/** A step between samples above this is a gap. */
const gapMs = 3_000;
/** More curves than these cannot be told apart. */
const mostCurves = 12;
const limitWords = { grow: 'grows above', shrink: 'shrinks below', target: 'keeps near' } as const;
const limitLooks = { grow: 'bad', shrink: 'good', target: 'faint' } as const;

/** CPU of each VM of a pool with what its policies look at: limits, the window that decides, what happened. */
export function PoolChart({
  pool,
  usage = [],
  height = 320,
}: {
  pool: PoolView;
  usage?: readonly UsageView[] | undefined;
  height?: number;
}) {
  const { events } = useLive();
  const vms = usage.filter((one) => one.pool === pool.name && one.samples.length > 0);
  if (vms.length === 0) return <p className="faint">No VM has been measured in the last minutes.</p>;
  const now = vms.map(({ vm, samples }) => `${vm} ${Math.round((samples.at(-1)?.cpu ?? 0) * 100)} %`);
  return (
    <LazyChart
      label={`CPU of the VMs of ${pool.name} in the last minutes; now ${now.join(', ')}`}
      content={poolChart(pool, vms, events)}
      height={height}
    />
  );
}

/** What the chart of a pool has. Pure. @param events newest first */
export function poolChart(pool: PoolView, vms: readonly UsageView[], events: readonly EventView[]): ChartContent {
  const untilMs = Math.max(...vms.flatMap(({ samples }) => samples.at(-1)?.atMs ?? 0));
  const limits = pool.decision === null ? [] : cpuLimits(pool.decision);
  const windowMs = pool.decision === null ? undefined : decidingWindowMs(pool.decision);
  const mean = vms.length > 1 ? [meanCurve(vms, events)] : [];
  const seen = new Set<string>();
  return {
    curves: [
      ...mean,
      ...vms.slice(0, mostCurves).map(
        ({ vm, samples }): Curve => ({
          name: vm,
          points: withGaps(samples.map(({ atMs, cpu }) => [atMs, cpu * 100])),
        }),
      ),
    ],
    limits: limits
      .map(({ kind, cpu }) => ({
        name: `${limitWords[kind]} ${Math.round(cpu * 100)} %`,
        value: cpu * 100,
        look: limitLooks[kind],
      }))
      .filter(({ name }) => !seen.has(name) && seen.add(name)),
    window:
      windowMs === undefined
        ? undefined
        : { name: `deciding ${Math.round(windowMs / 1_000)} s`, fromMs: untilMs - windowMs, untilMs },
    marks: apart(events.filter((event) => event.pool === pool.name && untilMs - event.atMs < shownMs).flatMap(markOf)),
  };
}

type Mark = NonNullable<ChartContent['marks']>[number];

/** Of marks that would lie on each other only the first. */
function apart(marks: readonly Mark[]): Mark[] {
  return marks.filter((mark, i) => !marks.slice(0, i).some(({ atMs }) => Math.abs(atMs - mark.atMs) < gapMs));
}

function markOf({ name, atMs, vm, data }: EventView): Mark[] {
  const about = vm ?? '';
  if (name === 'vm.failed' || name === 'alert.raised') return [{ atMs, name: `failed ${about}`, look: 'bad' }];
  if (name === 'vm.launched') return [{ atMs, name: `ready ${about}`, look: 'good' }];
  if (name === 'vm.launching' || name === 'vm.removed')
    return [{ atMs, name: `${name.slice(3)} ${about}`, look: 'faint' }];
  const { from, desired } = data;
  const isChange = name === 'pool.decision' && typeof desired === 'number' && from !== desired;
  return isChange ? [{ atMs, name: `${from} → ${desired} VMs`, look: 'faint' }] : [];
}

/** What policies look at: the mean of the VMs in service, at each second; what a VM used before it was ready is not in. */
function meanCurve(vms: readonly UsageView[], events: readonly EventView[]): Curve {
  const bySecond = new Map<number, { atMs: number; cpus: number[] }>();
  for (const { vm, state, samples } of vms) {
    if (state !== 'ready') continue;
    const readyAtMs = events.find((event) => event.vm === vm && event.name === 'vm.launched')?.atMs ?? 0;
    for (const { atMs, cpu } of samples) {
      if (atMs < readyAtMs) continue;
      const second = Math.floor(atMs / 1_000);
      const others = bySecond.get(second)?.cpus ?? [];
      bySecond.set(second, { atMs, cpus: [...others, cpu] });
    }
  }
  const points = [...bySecond.values()]
    .sort((one, other) => one.atMs - other.atMs)
    .map(({ atMs, cpus }) => [atMs, (100 * cpus.reduce((sum, cpu) => sum + cpu, 0)) / cpus.length] as const);
  return { name: 'mean', points: withGaps(points), look: 'thick' };
}

function withGaps(points: readonly (readonly [number, number])[]): (readonly [number, number | null])[] {
  return points.flatMap((point, i) => {
    const before = points[i - 1]?.[0];
    return before !== undefined && point[0] - before > gapMs ? [[before + 1, null] as const, point] : [point];
  });
}
