import { lazy, Suspense } from 'react';
import { Loading } from '../ui/states.tsx';
import type { ChartContent } from './option.ts';

const Chart = lazy(() => import('./chart.tsx'));

/** A chart whose library is loaded when one is shown. @param label what it shows now, for those who do not see it */
export function LazyChart(props: { label: string; content: ChartContent; height?: number }) {
  return (
    <Suspense fallback={<Loading what="the chart" />}>
      <Chart {...props} />
    </Suspense>
  );
}
