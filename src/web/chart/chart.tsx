import { LineChart } from 'echarts/charts';
import {
  GridComponent,
  LegendComponent,
  MarkAreaComponent,
  MarkLineComponent,
  TooltipComponent,
} from 'echarts/components';
import { type ECharts, init, use } from 'echarts/core';
import { CanvasRenderer } from 'echarts/renderers';
import { useEffect, useRef, useState } from 'react';
import { type ChartContent, chartOption } from './option.ts';

use([
  LineChart,
  GridComponent,
  LegendComponent,
  MarkAreaComponent,
  MarkLineComponent,
  TooltipComponent,
  CanvasRenderer,
]);

const narrowPixels = 560;

/** Curves over time. @param label what it shows now, for those who do not see it */
export default function Chart({
  label,
  content,
  height = 240,
}: {
  label: string;
  content: ChartContent;
  height?: number;
}) {
  const host = useRef<HTMLDivElement>(null);
  const chart = useRef<ECharts>(null);
  const [theme, setTheme] = useState(0);
  const [isNarrow, setNarrow] = useState(false);

  useEffect(() => {
    const element = host.current;
    if (element === null) return;
    const made = init(element);
    chart.current = made;
    const observer = new ResizeObserver(() => {
      made.resize();
      setNarrow(element.clientWidth < narrowPixels);
    });
    observer.observe(element);
    const dark = window.matchMedia('(prefers-color-scheme: dark)');
    const onTheme = (): void => setTheme((old) => old + 1);
    dark.addEventListener('change', onTheme);
    window.addEventListener('themechange', onTheme);
    return () => {
      dark.removeEventListener('change', onTheme);
      window.removeEventListener('themechange', onTheme);
      observer.disconnect();
      chart.current = null;
      made.dispose();
    };
  }, []);

  // biome-ignore lint/correctness/useExhaustiveDependencies: the theme changes what the style sheet says
  useEffect(() => {
    const element = host.current;
    if (element === null) return;
    const style = getComputedStyle(element);
    chart.current?.setOption(
      chartOption(content, (name) => style.getPropertyValue(`--${name}`).trim(), isNarrow),
      true,
    );
  }, [content, theme, isNarrow]);

  return <div ref={host} role="img" aria-label={label} style={{ height }} />;
}
