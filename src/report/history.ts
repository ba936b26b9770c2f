import type {
  DecisionLine,
  EventLine,
  HeaderLine,
  RecordingLine,
  RequestsLine,
  SampleLine,
} from '../protocol/recording.ts';

/** A value at a time; null where the curve breaks because nothing is known. */
export type Point = readonly [atMs: number, value: number | null];

export interface VmHistory {
  readonly vm: string;
  /** CPU, 0 to 1, oldest first. */
  readonly cpu: Point[];
  /** Most of its memory that was in use. */
  peakMemoryBytes: number;
}

export type Counts = SampleLine['counts'];

/** One pool through the recording; everything oldest first. */
export interface PoolHistory {
  readonly pool: string;
  readonly counts: { readonly atMs: number; readonly counts: Counts; readonly queued: number }[];
  readonly vms: VmHistory[];
  readonly decisions: DecisionLine[];
  readonly events: EventLine[];
  /** Of the load client, in the order in which they were written. */
  readonly requests: RequestsLine[];
}

/** A recording put in order. */
export interface History {
  readonly server: string;
  readonly fromMs: number;
  readonly untilMs: number;
  /** No news for longer than this is a gap: the server was away, or nobody recorded. */
  readonly gapMs: number;
  readonly pools: readonly PoolHistory[];
}

/** A few samples may be late before it is a gap. */
const gapIntervals = 3;
const leastGapMs = 3_500;

/** Sorts a recording's lines by pool and VM. Pure. */
export function toHistory(lines: readonly RecordingLine[]): History {
  const headers = lines.filter((line): line is HeaderLine => line.type === 'header');
  const gapMs = Math.max(leastGapMs, ...headers.map((header) => header.intervalMs * gapIntervals));
  const pools = new Map<string, PoolHistory>();
  const vms = new Map<string, VmHistory>();
  for (const line of lines) {
    if (line.type === 'header') continue;
    const pool = poolOf(pools, line.pool);
    if (line.type === 'sample') addSample(pool, vms, line);
    else if (line.type === 'decision') pool.decisions.push(line);
    else if (line.type === 'requests') pool.requests.push(line);
    else pool.events.push(line);
  }
  const { fromMs, untilMs } = range(lines.flatMap(timesOf));
  const ordered = [...pools.values()].map(inOrder).sort((a, b) => a.pool.localeCompare(b.pool));
  return { server: headers[0]?.server ?? '', fromMs, untilMs, gapMs, pools: ordered };
}

/** Points with a break wherever none came for longer than a gap. Pure. */
export function withGaps(points: readonly Point[], gapMs: number): Point[] {
  return points.flatMap((point, i) => {
    const before = points[i - 1];
    const isGap = before !== undefined && point[0] - before[0] > gapMs;
    return isGap ? [[before[0] + 1, null], point] : [point];
  });
}

/** At most so many points: means of neighbours, so that a day is drawn as fast as a minute. Pure. */
export function thinned(points: readonly Point[], most: number): Point[] {
  const size = Math.ceil(points.length / most);
  if (size <= 1) return [...points];
  const thin: Point[] = [];
  for (let i = 0; i < points.length; i += size) {
    const group = points.slice(i, i + size);
    const known = group.flatMap(([, value]) => value ?? []);
    const mean = known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length;
    thin.push([group[0]?.[0] ?? 0, mean]);
  }
  return thin;
}

function poolOf(pools: Map<string, PoolHistory>, name: string): PoolHistory {
  const known = pools.get(name);
  if (known !== undefined) return known;
  const pool: PoolHistory = { pool: name, counts: [], vms: [], decisions: [], events: [], requests: [] };
  pools.set(name, pool);
  return pool;
}

function addSample(
  pool: PoolHistory,
  vms: Map<string, VmHistory>,
  { atMs, counts, queued, vms: sampled }: SampleLine,
): void {
  // A pool with very many VMs has several lines of one time.
  if (pool.counts.at(-1)?.atMs !== atMs) pool.counts.push({ atMs, counts, queued });
  for (const { vm: name, samples } of sampled) {
    let vm = vms.get(name);
    if (vm === undefined) {
      vm = { vm: name, cpu: [], peakMemoryBytes: 0 };
      vms.set(name, vm);
      pool.vms.push(vm);
    }
    for (const { atMs: sampledAtMs, cpu, memoryBytes } of samples) {
      vm.cpu.push([sampledAtMs, cpu]);
      vm.peakMemoryBytes = Math.max(vm.peakMemoryBytes, memoryBytes);
    }
  }
}

/** Events reach the recorder when they happen, samples when they are asked for; a second writer may be another. */
function inOrder(pool: PoolHistory): PoolHistory {
  for (const vm of pool.vms) vm.cpu.sort((a, b) => a[0] - b[0]);
  return {
    pool: pool.pool,
    counts: pool.counts.toSorted((a, b) => a.atMs - b.atMs),
    vms: pool.vms.toSorted((a, b) => a.vm.localeCompare(b.vm)),
    decisions: onceEach(pool.decisions, ({ atMs }) => String(atMs)),
    events: onceEach(pool.events, ({ atMs, id }) => `${atMs} ${id}`),
    requests: pool.requests,
  };
}

/** By time. What two writers saw, or one writer twice, is there once. */
function onceEach<T extends { readonly atMs: number }>(lines: readonly T[], key: (line: T) => string): T[] {
  const byKey = new Map(lines.map((line) => [key(line), line]));
  return [...byKey.values()].sort((a, b) => a.atMs - b.atMs);
}

/** Requests have times of their own. */
function timesOf(line: RecordingLine): number[] {
  if (line.type !== 'requests') return [line.atMs];
  const { fromMs, untilMs } = range(line.dueMs);
  return line.dueMs.length === 0 ? [] : [line.atMs + fromMs, line.atMs + untilMs];
}

function range(times: readonly number[]): { fromMs: number; untilMs: number } {
  let fromMs = Number.POSITIVE_INFINITY;
  let untilMs = Number.NEGATIVE_INFINITY;
  for (const atMs of times) {
    fromMs = Math.min(fromMs, atMs);
    untilMs = Math.max(untilMs, atMs);
  }
  return { fromMs, untilMs };
}
