import { lazy, Suspense } from 'react';
import { useUsage } from '../live/use-usage.ts';
import { bytes } from '../text/format.ts';
import { Card } from '../ui/page.tsx';
import { Loading } from '../ui/states.tsx';

const Chart = lazy(() => import('../chart/chart.tsx'));

/**
 * CPU and memory of the machine that a job is on, from its start to its end, as long as the server remembers them. The job
 * may share the machine with others.
 */
export function JobUsage({
  vm,
  startedAtMs,
  endedAtMs,
}: {
  vm: string;
  startedAtMs: number;
  endedAtMs: number | null;
}) {
  const { data } = useUsage();
  const samples =
    data
      ?.find((one) => one.vm === vm)
      ?.samples.filter(({ atMs }) => atMs >= startedAtMs && atMs <= (endedAtMs ?? atMs)) ?? [];
  if (samples.length < 2) return null;
  const last = samples.at(-1);
  const when = endedAtMs === null ? 'now' : 'at the end';
  const text = `CPU ${Math.round((last?.cpu ?? 0) * 100)} %, memory ${bytes(last?.memoryBytes ?? 0)}`;
  return (
    <Card title={`CPU and memory of ${vm}`} actions={<span className="faint">{text}</span>}>
      <Suspense fallback={<Loading what="the chart" />}>
        <Chart
          label={`CPU and memory of ${vm}: ${when} ${text}`}
          content={{
            curves: [
              { name: 'CPU', points: samples.map(({ atMs, cpu }) => [atMs, cpu * 100]) },
              {
                name: 'memory',
                points: samples.map(({ atMs, memoryBytes }) => [atMs, memoryBytes / 1024 ** 2]),
                unit: 'MiB',
              },
            ],
          }}
        />
      </Suspense>
    </Card>
  );
}
