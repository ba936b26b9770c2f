import type { PanelInput } from '../panel.ts';
import { forEachRequest } from '../requests.ts';

/** How the curves and marks of one VM are drawn, the same in all panels. */
export interface VmStyle {
  readonly color: string | undefined;
  /** Tells VMs apart where colours come again. */
  readonly lineType: 'solid' | 'dashed' | 'dotted' | undefined;
}

const lineTypes = ['solid', 'dashed', 'dotted'] as const;

/** The style of each VM, and of each other server that answered requests, by name. Pure. */
export function vmStyles({ pool, theme }: PanelInput): ReadonlyMap<string, VmStyle> {
  const names = new Set(pool.vms.map(({ vm }) => vm));
  const others = new Set<string>();
  forEachRequest(pool, (_atMs, _tookMs, server) => {
    if (server !== '' && !names.has(server)) others.add(server);
  });
  return new Map(
    [...names, ...[...others].sort()].map((name, i) => {
      const color = theme.series[i % theme.series.length];
      return [name, { color, lineType: lineTypes[Math.floor(i / theme.series.length) % lineTypes.length] }];
    }),
  );
}
